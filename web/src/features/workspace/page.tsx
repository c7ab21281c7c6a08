import { ActionIcon, Drawer } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconLayoutSidebar } from '@tabler/icons-react';
import { type ReactNode, useEffect } from 'react';
import { useRoute } from 'wouter';
import type { ThreadAnswer } from '../../shared/api/index.ts';
import { useLiveState } from '../../shared/live/index.ts';
import { commonTexts, Waiting } from '../../shared/ui/index.ts';
import { Conversation } from './conversation.tsx';
import { BudgetMeter } from './meter.tsx';
import { ModelChoice } from './model-choice.tsx';
import classes from './page.module.css';
import { Start } from './start.tsx';
import { workspaceTexts } from './texts.ts';
import { ThreadList } from './thread-list.tsx';
import { useChangeThread, useModels, useThread } from './threads.ts';

/** Threads at the side, a conversation beside them; on a phone the threads are in a drawer. */
export default function WorkspacePage() {
  const t = workspaceTexts.use();
  const common = commonTexts.use();
  const [, params] = useRoute('/workspace/:threadId');
  const threadId = params?.threadId ?? null;
  const [isOpen, drawer] = useDisclosure(false);
  const isLost = useLiveState() === 'lost';
  const models = useModels();
  const opener = (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      hiddenFrom="md"
      aria-label={t('threads')}
      aria-expanded={isOpen}
      onClick={drawer.open}
    >
      <IconLayoutSidebar size={20} stroke={1.7} aria-hidden />
    </ActionIcon>
  );
  return (
    <div className={classes['page']} data-lost={isLost || undefined}>
      <div className={classes['side']}>
        <ThreadList chosen={threadId} />
      </div>
      <Drawer
        opened={isOpen}
        onClose={drawer.close}
        title={t('threads')}
        size={300}
        hiddenFrom="md"
        closeButtonProps={{ 'aria-label': common('close') }}
      >
        <ThreadList chosen={threadId} onChosen={drawer.close} />
      </Drawer>
      <div className={classes['main']}>
        {threadId === null ? (
          <>
            <Head title={null}>{opener}</Head>
            {models === undefined ? <Waiting /> : <Start models={models} />}
          </>
        ) : (
          // Another thread is another conversation: nothing of the one before stays.
          <Thread key={threadId} threadId={threadId} opener={opener} />
        )}
      </div>
    </div>
  );
}

function Thread({ threadId, opener }: { threadId: string; opener: ReactNode }) {
  const t = workspaceTexts.use();
  const thread = useThread(threadId);
  return (
    <>
      <Head
        title={thread === undefined ? '' : thread.title || t('untitled')}
        model={thread && <Model thread={thread} />}
      >
        {opener}
      </Head>
      <Conversation threadId={threadId} thread={thread} />
    </>
  );
}

function Model({ thread }: { thread: ThreadAnswer }) {
  const models = useModels() ?? [];
  const change = useChangeThread(thread.id);
  // At once, and back if it was refused.
  const value = change.isPending ? (change.variables.model ?? thread.model) : thread.model;
  return <ModelChoice models={models} value={value} onChange={(model) => change.mutate({ model })} />;
}

/** `title` is `null` where the page below has a heading of its own. */
function Head({ title, model, children }: { title: string | null; model?: ReactNode; children: ReactNode }) {
  const common = commonTexts.use();
  useEffect(() => {
    document.title = `${title || common('workspace')} · Bursar`;
  }, [title, common]);
  return (
    <header className={classes['head']}>
      {children}
      <div className={classes['what']}>
        {title !== null && (
          <h1 className={classes['title']} title={title}>
            {title}
          </h1>
        )}
        {model}
      </div>
      <BudgetMeter />
    </header>
  );
}
