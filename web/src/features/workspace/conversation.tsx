import { ActionIcon } from '@mantine/core';
import { IconArrowDown, IconUpload } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useCallback, useEffect, useMemo } from 'react';
import { ownHeaders, type ThreadAnswer } from '../../shared/api/index.ts';
import { SESSION_KEY, useMandate } from '../../shared/session/index.ts';
import { Waiting } from '../../shared/ui/index.ts';
import { Announcer } from './announcer.tsx';
import { turnsOf } from './answers.ts';
import { isBusy, useWorkspace, type Workspace, type WorkspaceError } from './client.ts';
import { Composer } from './composer.tsx';
import classes from './conversation.module.css';
import { Documents } from './documents.tsx';
import { useDrop } from './drop.ts';
import { useLateNews } from './late-news.ts';
import { takeOpening } from './opening.ts';
import { Progress } from './progress.tsx';
import { useScrolling } from './scrolling.ts';
import { Standstill } from './standstill.tsx';
import { Suggestions } from './suggestions.tsx';
import { workspaceTexts } from './texts.ts';
import { useAfterRun } from './threads.ts';
import { AnswerTurn, QuestionTurn } from './turn.tsx';
import { useUploads } from './upload.ts';

interface ConversationProps {
  readonly threadId: string;
  readonly thread: ThreadAnswer | undefined;
}

/** The thread at the server, followed as long as it is on the page. */
function useThreadWorkspace(threadId: string): Workspace {
  const client = useQueryClient();
  const { id: mandateId } = useMandate();
  const onEnd = useAfterRun(threadId);
  const onError = useCallback(
    (error: WorkspaceError) => {
      if (error.kind !== 'signed_out' && !(error.kind === 'forbidden' && error.code === 'csrf')) return;
      void client.invalidateQueries({ queryKey: SESSION_KEY });
    },
    [client],
  );
  return useWorkspace({
    url: `/api/mandates/${mandateId}/threads/${threadId}`,
    headers: ownHeaders,
    onError,
    onEnd,
  });
}

/** What was begun before there was a thread goes on here. */
function useOpening(threadId: string, send: (text: string) => void, add: (files: readonly File[]) => Promise<void>) {
  useEffect(() => {
    const timer = setTimeout(() => {
      const opening = takeOpening(threadId);
      if (opening === null) return;
      void add(opening.files).then(() => {
        if (opening.text !== null) send(opening.text);
      });
    });
    return () => clearTimeout(timer);
  }, [threadId, send, add]);
}

export function Conversation({ threadId, thread }: ConversationProps) {
  const workspace = useThreadWorkspace(threadId);
  const { uploads, add, dismiss } = useUploads(threadId);
  const scrolling = useScrolling();
  const { send: sendNow, status, state } = workspace;
  const { toEnd } = scrolling;
  const send = useCallback(
    (text: string) => {
      toEnd();
      void sendNow(text);
    },
    [sendNow, toEnd],
  );
  useOpening(threadId, send, add);
  useLateNews(workspace);
  const hasDocuments = thread?.kind === 'agent';
  const drop = useDrop(hasDocuments ? add : null);
  return (
    <div className={classes['conversation']} {...drop.handlers}>
      <div ref={scrolling.box} className={classes['box']}>
        <div ref={scrolling.content} className={classes['column']}>
          <Turns workspace={workspace} threadId={threadId} thread={thread} onSend={send} />
        </div>
      </div>
      <Announcer status={status} messages={state.messages} error={state.error} />
      <div className={classes['below']}>
        {!scrolling.isAtEnd && <ToEnd onClick={toEnd} />}
        <Composer
          draft={threadId}
          isBusy={isBusy(state)}
          canStop={status !== 'stopping'}
          onSend={send}
          onStop={() => void workspace.stop()}
          onFiles={hasDocuments ? (files) => void add(files) : undefined}
        >
          {hasDocuments && <Documents threadId={threadId} uploads={uploads} onDismiss={dismiss} />}
        </Composer>
      </div>
      {drop.isOver && <DropHint />}
    </div>
  );
}

interface TurnsProps {
  readonly workspace: Workspace;
  readonly threadId: string;
  readonly thread: ThreadAnswer | undefined;
  readonly onSend: (text: string) => void;
}

function Turns({ workspace, threadId, thread, onSend }: TurnsProps): ReactNode {
  const { state, error } = workspace;
  const t = workspaceTexts.use();
  const turns = useMemo(() => turnsOf(state.messages), [state.messages]);
  const isRunning = isBusy(state);
  if (!state.isLoaded && turns.length === 0 && error === null) return <Waiting />;
  const last = turns.at(-1);
  return (
    <>
      {turns.length === 0 && error === null && thread && <Suggestions kind={thread.kind} onChoose={onSend} />}
      {turns.map((turn) =>
        turn.kind === 'question' ? (
          <QuestionTurn key={turn.id} question={turn} />
        ) : (
          <AnswerTurn key={turn.id} answer={turn} currency={state.currency} isRunning={isRunning && turn === last} />
        ),
      )}
      {isRunning && <Progress state={state} />}
      {!isRunning && state.wasStopped && <p className={classes['stopped']}>{t('stopped')}</p>}
      {error !== null && (
        <Standstill
          workspace={workspace}
          error={error}
          threadId={threadId}
          title={thread?.title || t('untitled')}
          since={thread?.run?.endedAt ?? null}
        />
      )}
    </>
  );
}

function ToEnd({ onClick }: { onClick: () => void }) {
  const t = workspaceTexts.use();
  return (
    <ActionIcon
      variant="default"
      radius="xl"
      size={34}
      className={classes['toEnd']}
      aria-label={t('toEnd')}
      title={t('toEnd')}
      onClick={onClick}
    >
      <IconArrowDown size={18} aria-hidden />
    </ActionIcon>
  );
}

function DropHint() {
  const t = workspaceTexts.use();
  return (
    <div className={classes['drop']}>
      <IconUpload size={30} stroke={1.5} aria-hidden />
      <strong>{t('dropHere')}</strong>
      <span>{t('documentKinds')}</span>
    </div>
  );
}
