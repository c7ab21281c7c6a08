import { Loader } from '@mantine/core';
import {
  IconCalculator,
  IconChevronRight,
  IconFileSearch,
  IconFiles,
  IconFileText,
  IconTool,
  IconWallet,
} from '@tabler/icons-react';
import type { ToolCall } from 'bursar-workspace-client';
import { workspaceTexts } from './texts.ts';
import classes from './tool-step.module.css';

const ICONS = {
  list_documents: IconFiles,
  search_documents: IconFileSearch,
  read_document: IconFileText,
  compute: IconCalculator,
  tell_budget: IconWallet,
} as const;
type Known = keyof typeof ICONS;

const isKnown = (name: string): name is Known => Object.hasOwn(ICONS, name);

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** JSON as people read it; anything else as it is. */
export function readable(text: string): string {
  const value = parsed(text);
  if (typeof value === 'string') return value;
  return value === undefined ? text : JSON.stringify(value, null, 2);
}

/** The arguments as values for a text. */
function valuesOf(json: string): Record<string, string> {
  const value = parsed(json);
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, String(each)]));
}

const NO_VALUES = { query: '…', name: '…', expression: '…' };

/** What a tool was asked and what it answered; closed until somebody wants to know. */
export function ToolStep({ call, isRunning }: { call: ToolCall; isRunning: boolean }) {
  const t = workspaceTexts.use();
  const StepIcon = isKnown(call.name) ? ICONS[call.name] : IconTool;
  const title = isKnown(call.name)
    ? t(call.name, { ...NO_VALUES, ...valuesOf(call.arguments) })
    : t('otherTool', { name: call.name });
  const isWaiting = call.result === null && isRunning;
  return (
    <details className={classes['step']}>
      <summary>
        {isWaiting ? <Loader size={16} aria-hidden /> : <StepIcon size={17} stroke={1.7} aria-hidden />}
        <span className={classes['title']}>{title}</span>
        <IconChevronRight size={15} className={classes['chevron']} aria-hidden />
      </summary>
      <div className={classes['inside']}>
        <h4>{t('toolArguments')}</h4>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it */}
        <pre tabIndex={0}>{readable(call.arguments)}</pre>
        <h4>{t('toolResult')}</h4>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it */}
        <pre tabIndex={0}>{call.result === null ? t('toolWaiting') : readable(call.result)}</pre>
      </div>
    </details>
  );
}
