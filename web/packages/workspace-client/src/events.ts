/**
 * The events of a run that mean something here, as AG-UI (https://docs.ag-ui.com) writes them. Fields that are not
 * named stay on the object.
 */
export type WorkspaceEvent =
  | RunStarted
  | RunFinished
  | RunErrorEvent
  | StepStarted
  | StepFinished
  | TextMessageStart
  | TextMessageContent
  | TextMessageEnd
  | ToolCallStart
  | ToolCallArgs
  | ToolCallEnd
  | ToolCallResult
  | CustomEvent;

export interface RunStarted {
  readonly type: 'RUN_STARTED';
  readonly threadId: string;
  readonly runId: string;
}

export interface RunFinished {
  readonly type: 'RUN_FINISHED';
  readonly threadId: string;
  readonly runId: string;
  readonly outcome?: { readonly type: string } | null;
}

export interface RunErrorEvent {
  readonly type: 'RUN_ERROR';
  readonly message: string;
  readonly code?: string | null;
  readonly metadata?: unknown;
}

export interface StepStarted {
  readonly type: 'STEP_STARTED';
  /** `step-1`, `step-2`, … */
  readonly stepName: string;
}

export interface StepFinished {
  readonly type: 'STEP_FINISHED';
  readonly stepName: string;
}

export interface TextMessageStart {
  readonly type: 'TEXT_MESSAGE_START';
  readonly messageId: string;
}

export interface TextMessageContent {
  readonly type: 'TEXT_MESSAGE_CONTENT';
  readonly messageId: string;
  readonly delta: string;
}

export interface TextMessageEnd {
  readonly type: 'TEXT_MESSAGE_END';
  readonly messageId: string;
}

export interface ToolCallStart {
  readonly type: 'TOOL_CALL_START';
  readonly toolCallId: string;
  readonly toolCallName: string;
  readonly parentMessageId?: string | null;
}

export interface ToolCallArgs {
  readonly type: 'TOOL_CALL_ARGS';
  readonly toolCallId: string;
  readonly delta: string;
}

export interface ToolCallEnd {
  readonly type: 'TOOL_CALL_END';
  readonly toolCallId: string;
}

export interface ToolCallResult {
  readonly type: 'TOOL_CALL_RESULT';
  readonly toolCallId: string;
  readonly content: string;
}

/** `bursar.step`, `bursar.cost`, `bursar.stopped`, and whatever else somebody sends. */
export interface CustomEvent {
  readonly type: 'CUSTOM';
  readonly name: string;
  readonly value?: unknown;
}

type EventType = WorkspaceEvent['type'];

/** What must be there as text, by type. */
const REQUIRED: Readonly<Record<EventType, readonly string[]>> = {
  RUN_STARTED: ['threadId', 'runId'],
  RUN_FINISHED: ['threadId', 'runId'],
  RUN_ERROR: ['message'],
  STEP_STARTED: ['stepName'],
  STEP_FINISHED: ['stepName'],
  TEXT_MESSAGE_START: ['messageId'],
  TEXT_MESSAGE_CONTENT: ['messageId', 'delta'],
  TEXT_MESSAGE_END: ['messageId'],
  TOOL_CALL_START: ['toolCallId', 'toolCallName'],
  TOOL_CALL_ARGS: ['toolCallId', 'delta'],
  TOOL_CALL_END: ['toolCallId'],
  TOOL_CALL_RESULT: ['toolCallId', 'content'],
  CUSTOM: ['name'],
};

/** The event in the data of a server-sent event; `null` for what is not known here, or is none. */
export function parseEvent(data: string): WorkspaceEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const event = value as Readonly<Record<string, unknown>>;
  const type = event['type'];
  if (typeof type !== 'string' || !Object.hasOwn(REQUIRED, type)) return null;
  const isWhole = REQUIRED[type as EventType].every((name) => typeof event[name] === 'string');
  return isWhole ? (value as WorkspaceEvent) : null;
}
