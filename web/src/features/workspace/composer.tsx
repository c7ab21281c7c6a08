import { ActionIcon, FileButton, Textarea } from '@mantine/core';
import { IconArrowUp, IconPaperclip, IconPlayerStopFilled } from '@tabler/icons-react';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef } from 'react';
import classes from './composer.module.css';
import { useDraft } from './draft.ts';
import { workspaceTexts } from './texts.ts';
import { ACCEPTED } from './upload.ts';

interface ComposerProps {
  /** What the unsent text is kept under. */
  readonly draft: string;
  /** Something is being written: instead of sending, it can be stopped. */
  readonly isBusy: boolean;
  readonly canStop?: boolean;
  readonly onSend: (text: string) => void;
  readonly onStop?: () => void;
  /** Missing where there are no documents. */
  readonly onFiles?: ((files: readonly File[]) => void) | undefined;
  /** Above the text: documents. */
  readonly children?: ReactNode;
}

/** Enter that ends the choice of a character (Chinese, Japanese, Korean) sends nothing. */
function isSending(event: KeyboardEvent): boolean {
  return event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing && event.keyCode !== 229;
}

/** On a phone the keyboard would cover what there is to see. */
const hasKeyboard = () => window.matchMedia('(pointer: fine)').matches;

export function Composer(props: ComposerProps) {
  const { draft, isBusy, canStop = true, onSend, onStop, onFiles, children } = props;
  const t = workspaceTexts.use();
  const [text, setText] = useDraft(draft);
  const field = useRef<HTMLTextAreaElement>(null);
  const hint = useId();
  useEffect(() => {
    if (hasKeyboard()) field.current?.focus({ preventScroll: true });
  }, []);
  // The button that let it go on is gone with its notice: the keyboard must not be left nowhere.
  useEffect(() => {
    if (isBusy && document.activeElement === document.body) field.current?.focus({ preventScroll: true });
  }, [isBusy]);
  const isEmpty = text.trim() === '';
  const send = () => {
    if (isBusy || isEmpty) return;
    onSend(text.trim());
    setText('');
    field.current?.focus();
  };
  return (
    <div className={classes['box']}>
      {children}
      <Textarea
        ref={field}
        variant="unstyled"
        autosize
        minRows={1}
        maxRows={10}
        maxLength={200_000}
        aria-label={t('message')}
        aria-describedby={hint}
        placeholder={t('writeHere')}
        classNames={{ input: classes['input'] ?? '' }}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (!isSending(event)) return;
          event.preventDefault();
          send();
        }}
      />
      <div className={classes['tools']}>
        {onFiles && <Attach onFiles={onFiles} />}
        <span id={hint} className={classes['hint']}>
          {t('keys')}
        </span>
        {/* One button all the time: whoever is on it with the keyboard stays there. */}
        <ActionIcon
          size={36}
          radius="xl"
          aria-label={t(isBusy ? 'stop' : 'send')}
          title={t(isBusy ? 'stop' : 'send')}
          aria-disabled={isBusy ? !canStop : isEmpty}
          data-quiet={(isBusy ? !canStop : isEmpty) || undefined}
          className={classes['send']}
          onClick={() => (isBusy ? canStop && onStop?.() : send())}
        >
          {isBusy ? <IconPlayerStopFilled size={17} aria-hidden /> : <IconArrowUp size={20} aria-hidden />}
        </ActionIcon>
      </div>
    </div>
  );
}

function Attach({ onFiles }: { onFiles: (files: readonly File[]) => void }) {
  const t = workspaceTexts.use();
  const reset = useRef<() => void>(null);
  return (
    <FileButton
      multiple
      accept={ACCEPTED}
      resetRef={reset}
      onChange={(files) => {
        if (files.length > 0) onFiles(files);
        reset.current?.();
      }}
    >
      {(button) => (
        <ActionIcon
          {...button}
          variant="subtle"
          color="gray"
          size={36}
          radius="xl"
          aria-label={t('attach')}
          title={`${t('attach')}: ${t('documentKinds')}`}
        >
          <IconPaperclip size={20} stroke={1.7} aria-hidden />
        </ActionIcon>
      )}
    </FileButton>
  );
}
