import { IconSquare, IconSquareCheck } from '@tabler/icons-react';
import bash from 'highlight.js/lib/languages/bash';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { memo, type ReactNode } from 'react';
import Markdown, { type Components, type Options } from 'react-markdown';
import rehypeHighlight from 'rehype-highlight';
import remarkGfm from 'remark-gfm';
import { CodeBlock } from './code-block.tsx';
import classes from './markdown.module.css';
import { workspaceTexts } from './texts.ts';

const LANGUAGES = { bash, css, diff, javascript, json, python, sql, typescript, xml, yaml };
const SCHEMES: ReadonlySet<string> = new Set(['http:', 'https:', 'mailto:']);

/** The address, if it is one that may be followed from an answer: whole, and of a harmless kind. */
export function safeAddress(address: string): string | null {
  try {
    const url = new URL(address);
    return SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function SafeLink({ href, children }: { href: string | undefined; children: ReactNode }) {
  const address = safeAddress(href ?? '');
  if (address === null) return <span>{children}</span>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow" title={address}>
      {children}
    </a>
  );
}

/** An image of somewhere else would tell its server who reads what: it stays a link. */
function ImageLink({ src, alt }: { src: string | undefined; alt: string | undefined }) {
  const t = workspaceTexts.use();
  return <SafeLink href={src}>{alt ? t('imageOf', { name: alt }) : t('image')}</SafeLink>;
}

function TableBox({ children }: { children: ReactNode }) {
  const t = workspaceTexts.use();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it
    <section className={classes['table']} aria-label={t('table')} tabIndex={0}>
      <table>{children}</table>
    </section>
  );
}

/** Of a list of tasks. */
function TaskMark({ isDone }: { isDone: boolean }) {
  const t = workspaceTexts.use();
  const Mark = isDone ? IconSquareCheck : IconSquare;
  return (
    <Mark size={18} stroke={1.7} role="img" aria-label={t(isDone ? 'done' : 'toDo')} className={classes['task']} />
  );
}

const COMPONENTS: Components = {
  a: ({ href, children }) => <SafeLink href={href}>{children}</SafeLink>,
  img: ({ src, alt }) => <ImageLink src={typeof src === 'string' ? src : undefined} alt={alt} />,
  input: ({ checked }) => <TaskMark isDone={checked === true} />,
  table: ({ children }) => <TableBox>{children}</TableBox>,
  pre: ({ children }) => <CodeBlock>{children}</CodeBlock>,
  // The page's own headings are above these.
  h1: ({ children }) => <h3>{children}</h3>,
  h2: ({ children }) => <h4>{children}</h4>,
  h3: ({ children }) => <h5>{children}</h5>,
  h4: ({ children }) => <h6>{children}</h6>,
  h5: ({ children }) => <h6>{children}</h6>,
};

const OPTIONS: Options = {
  components: COMPONENTS,
  remarkPlugins: [remarkGfm],
  rehypePlugins: [[rehypeHighlight, { languages: LANGUAGES, detect: false }]],
  // Checked where it is used; HTML in a text is shown as text, since nothing here would make elements of it.
  urlTransform: (address) => address,
};

/** Markdown of a model, which may say anything: no HTML, no images, links to harmless addresses only. */
function SafeMarkdown({ text }: { text: string }) {
  return (
    <div className={classes['prose']}>
      <Markdown {...OPTIONS}>{text}</Markdown>
    </div>
  );
}

export default memo(SafeMarkdown);
