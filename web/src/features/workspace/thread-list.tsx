import { ActionIcon, Button, Menu, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconDots, IconMessage, IconPencil, IconPlus, IconRobot, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { ThreadAnswer } from '../../shared/api/index.ts';
import { useFormat } from '../../shared/i18n/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { Confirm, commonTexts, Dialog, PagedList, SendForm, showDone, useSending } from '../../shared/ui/index.ts';
import { callCost } from './amounts.ts';
import { workspaceTexts } from './texts.ts';
import classes from './thread-list.module.css';
import { useChangeThread, useDeleteThread, useThreads } from './threads.ts';

export const pathOf = (threadId: string) => `/workspace/${threadId}`;

/** One's conversations. `onChosen` is told when another one was opened: a drawer closes then. */
export function ThreadList({ chosen, onChosen }: { chosen: string | null; onChosen?: () => void }) {
  const t = workspaceTexts.use();
  const threads = useThreads();
  const [renaming, setRenaming] = useState<ThreadAnswer | null>(null);
  const [leaving, setLeaving] = useState<ThreadAnswer | null>(null);
  return (
    <nav className={classes['threads']} aria-label={t('threads')}>
      <Button
        component={Link}
        href="/workspace"
        variant="default"
        leftSection={<IconPlus size={18} aria-hidden />}
        justify="flex-start"
        onClick={onChosen}
      >
        {t('newThread')}
      </Button>
      <PagedList paged={threads} nothing={t('noThreads')}>
        {(items) => (
          <ul className={classes['list']}>
            {items.map((thread) => (
              <ThreadItem
                key={thread.id}
                thread={thread}
                isChosen={thread.id === chosen}
                onChosen={onChosen}
                onRename={() => setRenaming(thread)}
                onDelete={() => setLeaving(thread)}
              />
            ))}
          </ul>
        )}
      </PagedList>
      {renaming && <Rename thread={renaming} onClose={() => setRenaming(null)} />}
      {leaving && <Delete thread={leaving} isChosen={leaving.id === chosen} onClose={() => setLeaving(null)} />}
    </nav>
  );
}

/** Seconds would be wrong in a moment: it is now, or minutes ago. */
function sinceWhen(at: string): Date {
  const now = new Date();
  return now.getTime() - Date.parse(at) < 60_000 ? new Date(at) : now;
}

interface ThreadItemProps {
  readonly thread: ThreadAnswer;
  readonly isChosen: boolean;
  readonly onChosen: (() => void) | undefined;
  readonly onRename: () => void;
  readonly onDelete: () => void;
}

function ThreadItem({ thread, isChosen, onChosen, onRename, onDelete }: ThreadItemProps) {
  const t = workspaceTexts.use();
  const { timeZone } = useMandate();
  const format = useFormat(timeZone);
  const common = commonTexts.use();
  const title = thread.title || t('untitled');
  const KindIcon = thread.kind === 'agent' ? IconRobot : IconMessage;
  const about = [format.relative(thread.updatedAt, sinceWhen(thread.updatedAt))];
  if (Number(thread.cost) > 0) about.push(callCost(format, thread.cost, thread.currency));
  return (
    <li className={classes['item']} data-chosen={isChosen || undefined}>
      <Link
        href={pathOf(thread.id)}
        className={classes['link']}
        aria-current={isChosen ? 'page' : undefined}
        onClick={onChosen}
      >
        <KindIcon size={17} stroke={1.6} className={classes['kind']} aria-label={t(thread.kind)} />
        <span className={classes['words']}>
          <span className={classes['title']}>{title}</span>
          <span className={classes['about']}>{about.join(' · ')}</span>
        </span>
      </Link>
      <Menu position="bottom-end" width={180} withinPortal>
        <Menu.Target>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="md"
            className={classes['options']}
            aria-label={t('options', { title })}
          >
            <IconDots size={17} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} aria-hidden />} onClick={onRename}>
            {t('rename')}
          </Menu.Item>
          <Menu.Item color="red" leftSection={<IconTrash size={16} aria-hidden />} onClick={onDelete}>
            {common('delete')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </li>
  );
}

function Rename({ thread, onClose }: { thread: ThreadAnswer; onClose: () => void }) {
  const t = workspaceTexts.use();
  const common = commonTexts.use();
  const change = useChangeThread(thread.id);
  const form = useForm({ initialValues: { title: thread.title } });
  const sent = useSending({ form, send: ({ title }) => change.mutateAsync({ title: title.trim() }), onDone: onClose });
  return (
    <Dialog opened title={t('rename')} size="md" onClose={onClose}>
      <SendForm sent={sent} action={common('save')} onCancel={onClose}>
        <TextInput label={t('title')} maxLength={120} required data-autofocus {...form.getInputProps('title')} />
      </SendForm>
    </Dialog>
  );
}

function Delete({ thread, isChosen, onClose }: { thread: ThreadAnswer; isChosen: boolean; onClose: () => void }) {
  const t = workspaceTexts.use();
  const common = commonTexts.use();
  const remove = useDeleteThread();
  const [, navigate] = useLocation();
  const confirmed = async () => {
    await remove(thread.id);
    showDone(t('deleted'));
    if (isChosen) navigate('/workspace', { replace: true });
  };
  return (
    <Confirm title={t('deleteTitle')} action={common('delete')} onConfirm={confirmed} onClose={onClose}>
      {t('deleteText', { title: thread.title || t('untitled') })}
    </Confirm>
  );
}
