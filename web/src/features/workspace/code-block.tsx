import { ActionIcon } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { isValidElement, type ReactNode, useRef } from 'react';
import { commonTexts } from '../../shared/ui/index.ts';
import classes from './markdown.module.css';
import { workspaceTexts } from './texts.ts';

/** `language-python` of the element that Markdown makes of a fenced block. */
function languageOf(children: ReactNode): string | null {
  if (!isValidElement<{ className?: string }>(children)) return null;
  return /language-([\w+#-]+)/.exec(children.props.className ?? '')?.[1] ?? null;
}

/** `text` is asked for when it is copied. */
export function CopyIcon({ text, label }: { text: () => string; label: string }) {
  const t = commonTexts.use();
  const { copied, copy } = useClipboard({ timeout: 2_000 });
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="sm"
      aria-label={copied ? t('copied') : label}
      title={copied ? t('copied') : label}
      onClick={() => copy(text())}
    >
      {copied ? <IconCheck size={15} aria-hidden /> : <IconCopy size={15} aria-hidden />}
    </ActionIcon>
  );
}

/** Code with its language and a button that takes it along. */
export function CodeBlock({ children }: { children: ReactNode }) {
  const t = workspaceTexts.use();
  const common = commonTexts.use();
  const block = useRef<HTMLPreElement>(null);
  return (
    <figure className={classes['code']}>
      <figcaption>
        <span>{languageOf(children) ?? t('code')}</span>
        <CopyIcon label={common('copy')} text={() => block.current?.textContent ?? ''} />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it */}
      <pre ref={block} tabIndex={0}>
        {children}
      </pre>
    </figure>
  );
}
