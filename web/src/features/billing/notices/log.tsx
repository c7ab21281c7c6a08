import { Text } from '@mantine/core';
import { answer, api, type NoticeAnswer, type NoticePage } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { type Column, DataTable, PagedList, Panel, usePaged } from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { noticeKindTexts } from '../texts/notice-kinds.ts';
import { noticesTexts } from '../texts/notices.ts';
import { pageTexts } from '../texts/page.ts';
import { sentKey } from './queries.ts';

const STATES = ['QUEUED', 'SENT', 'REFUSED', 'FAILED', 'CANCELLED'] as const;
const isWaiting = (notices: readonly NoticeAnswer[]) => notices.some(({ state }) => state === 'QUEUED');
const noticesOf = ({ notices }: NoticePage) => notices;

function Ended({ notice }: { notice: NoticeAnswer }) {
  const t = noticesTexts.use();
  const state = STATES.find((each) => each === notice.state);
  const tries = notice.attempts > 1 ? `, ${t('attempts', { count: notice.attempts })}` : '';
  return (
    <>
      {state ? t(state) : notice.state}
      {tries}
      {notice.lastError && state !== 'SENT' && (
        <Text size="sm" c="var(--bursar-quiet)">
          {notice.lastError}
        </Text>
      )}
    </>
  );
}

/** Every notice with its recipient, and how it ended. */
export function Log() {
  const t = noticesTexts.use();
  const words = pageTexts.use();
  const kindName = noticeKindTexts.use();
  const path = useMandatePath();
  const format = useFormat(useMandate().timeZone);
  const paged = usePaged({
    queryKey: sentKey(path.mandateId),
    read: (cursor) =>
      answer(api.GET('/api/mandates/{mandateId}/notices', { params: { path, query: { limit: 20, ...cursor } } })),
    itemsOf: noticesOf,
    isMoving: isWaiting,
  });
  const columns: readonly Column<NoticeAnswer>[] = [
    { key: 'kind', label: t('kindOf'), cell: ({ kind }) => kindName(kind) },
    { key: 'to', label: t('recipient'), cell: ({ recipient }) => recipient },
    { key: 'when', label: words('when'), cell: ({ sentAt, createdAt }) => format.dateTime(sentAt ?? createdAt) },
    { key: 'state', label: words('state'), cell: (notice) => <Ended notice={notice} /> },
  ];
  return (
    <Panel title={t('log')}>
      <PagedList paged={paged} nothing={t('nothingSent')}>
        {(notices) => <DataTable caption={t('log')} columns={columns} rows={notices} rowKey={({ id }) => id} />}
      </PagedList>
    </Panel>
  );
}
