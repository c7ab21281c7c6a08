import { ActionIcon, Anchor, Button, Title } from '@mantine/core';
import { IconCheck } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';
import { answer, api, type InboxAnswer, type ItemAnswer } from '../../shared/api/index.ts';
import { useFormat } from '../../shared/i18n/index.ts';
import { unreadKey, useUnread } from '../../shared/live/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { PagedList, showTrouble, usePaged } from '../../shared/ui/index.ts';
import classes from './bell.module.css';
import { bellTexts } from './texts.ts';

const inboxKey = (mandateId: string) => ['mandate', mandateId, 'inbox'] as const;
const itemsOf = ({ items }: InboxAnswer) => items;

/** Marks one notice, or all, as read; the badge follows at once, and then by what the server says. */
function useReading() {
  const client = useQueryClient();
  const { id: mandateId } = useMandate();
  return useMutation({
    mutationFn: (itemId: string | null) =>
      answer(
        itemId === null
          ? api.POST('/api/mandates/{mandateId}/inbox/read', { params: { path: { mandateId } } })
          : api.POST('/api/mandates/{mandateId}/inbox/{itemId}/read', { params: { path: { mandateId, itemId } } }),
      ),
    onError: showTrouble,
    onSuccess: ({ read }) => {
      client.setQueryData<number>(unreadKey(mandateId), (before) => Math.max(0, (before ?? 0) - read));
      return client.invalidateQueries({ queryKey: inboxKey(mandateId) });
    },
  });
}

function Item({ item }: { item: ItemAnswer }) {
  const t = bellTexts.use();
  const format = useFormat(useMandate().timeZone);
  const reading = useReading();
  const isUnread = item.readAt === null;
  return (
    <li className={classes['item']} data-unread={isUnread || undefined}>
      <span className={classes['dot']} aria-hidden />
      <div>
        <p className={classes['title']}>
          {item.title}
          {isUnread && <span className="visually-hidden"> ({t('isUnread')})</span>}
        </p>
        <p className={classes['text']}>{item.text}</p>
        <time className={classes['when']} dateTime={item.createdAt} title={format.dateTime(item.createdAt)}>
          {format.relative(item.createdAt)}
        </time>
      </div>
      {isUnread && (
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={`${t('read')}: ${item.title}`}
          title={t('read')}
          loading={reading.isPending}
          onClick={() => reading.mutate(item.id)}
        >
          <IconCheck size={16} aria-hidden />
        </ActionIcon>
      )}
    </li>
  );
}

function Head() {
  const t = bellTexts.use();
  const unread = useUnread();
  const reading = useReading();
  return (
    <div className={classes['head']}>
      <Title order={2} size="h5">
        {t('notices')}
      </Title>
      {unread > 0 && (
        <Button size="compact-sm" variant="subtle" loading={reading.isPending} onClick={() => reading.mutate(null)}>
          {t('readAll')}
        </Button>
      )}
    </div>
  );
}

/** What somebody was told, the newest first. New notices come in while it is open. */
export function Inbox({ onClose }: { onClose: () => void }) {
  const t = bellTexts.use();
  const { id: mandateId } = useMandate();
  const paged = usePaged({
    queryKey: inboxKey(mandateId),
    read: (cursor) =>
      answer(
        api.GET('/api/mandates/{mandateId}/inbox', {
          params: { path: { mandateId }, query: { limit: 20, ...cursor } },
        }),
      ),
    itemsOf,
  });
  return (
    <>
      <Head />
      <div className={classes['list']}>
        <PagedList paged={paged} nothing={t('nothing')}>
          {(items) => (
            <ul style={{ margin: 0, padding: 0, listStyle: 'none' }}>
              {items.map((item) => (
                <Item key={item.id} item={item} />
              ))}
            </ul>
          )}
        </PagedList>
      </div>
      <div className={classes['foot']}>
        <Anchor component={Link} href="/billing" size="sm" onClick={onClose}>
          {t('toBilling')}
        </Anchor>
      </div>
    </>
  );
}
