import { Badge, Button, Code, Group, Select, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type NewVouchersAnswer, type VoucherAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import {
  type Column,
  Confirm,
  DataTable,
  PagedList,
  Panel,
  RowMenu,
  showDone,
  usePaged,
} from '../../../shared/ui/index.ts';
import { useMandateName, VOUCHERS_KEY } from '../queries.ts';
import { operatorTexts } from '../texts.ts';
import { CodesShown, MakeVouchers } from './make-vouchers.tsx';
import { voucherTexts } from './texts.ts';

const STATES = ['open', 'redeemed', 'revoked', 'expired'] as const;
type State = (typeof STATES)[number];
const COLOURS: Record<State, string> = { open: 'green', redeemed: 'blue', revoked: 'gray', expired: 'gray' };

function StateCell({ voucher }: { voucher: VoucherAnswer }) {
  const t = voucherTexts.use();
  const nameOf = useMandateName();
  const { date } = useFormat();
  const { state, redeemedAt, redeemedForMandateId, revokedAt } = voucher;
  const at = redeemedAt ?? revokedAt;
  return (
    <div>
      <Badge variant="light" color={COLOURS[state]}>
        {t(state)}
      </Badge>
      {at !== null && (
        <Text size="xs" c="var(--bursar-quiet)">
          {[date(at), redeemedForMandateId && t('by', { name: nameOf(redeemedForMandateId) })]
            .filter(Boolean)
            .join(', ')}
        </Text>
      )}
    </div>
  );
}

function useColumns(onRevoke: (voucher: VoucherAnswer) => void): Column<VoucherAnswer>[] {
  const t = voucherTexts.use();
  const own = operatorTexts.use();
  const nameOf = useMandateName();
  const { money, date } = useFormat();
  return [
    {
      key: 'hint',
      label: t('voucher'),
      cell: ({ hint, note }) => (
        <>
          <Code>{hint}…</Code>
          {note !== null && (
            <Text span display="block" size="sm" c="var(--bursar-quiet)">
              {note}
            </Text>
          )}
        </>
      ),
    },
    { key: 'amount', label: t('amount'), isFigure: true, cell: ({ amount, currency }) => money(amount, currency) },
    { key: 'state', label: t('state'), cell: (voucher) => <StateCell voucher={voucher} /> },
    {
      key: 'mandate',
      label: t('mandate'),
      cell: ({ mandateId }) => (mandateId === null ? '–' : nameOf(mandateId)),
    },
    { key: 'expires', label: t('expires'), cell: ({ expiresAt }) => date(expiresAt) },
    {
      key: 'actions',
      label: own('actions'),
      isActions: true,
      cell: (voucher) => (
        <RowMenu
          label={own('actionsOf', { name: voucher.hint })}
          actions={
            voucher.state === 'open'
              ? [{ label: t('revoke'), onChosen: () => onRevoke(voucher), isDangerous: true }]
              : []
          }
        />
      ),
    },
  ];
}

function Revoke({ voucher, onClose }: { voucher: VoucherAnswer; onClose: () => void }) {
  const t = voucherTexts.use();
  const client = useQueryClient();
  const { money } = useFormat();
  const revoke = async () => {
    await answer(api.DELETE('/api/vouchers/{voucherId}', { params: { path: { voucherId: voucher.id } } }));
    void client.invalidateQueries({ queryKey: VOUCHERS_KEY });
    showDone(t('revokedDone'));
  };
  return (
    <Confirm title={t('revokeTitle', { hint: voucher.hint })} action={t('revoke')} onConfirm={revoke} onClose={onClose}>
      {t('revokeText', { amount: money(voucher.amount, voucher.currency) })}
    </Confirm>
  );
}

function StateSelect({ state, onChange }: { state: State | null; onChange: (state: State | null) => void }) {
  const t = voucherTexts.use();
  return (
    <Group>
      <Select
        aria-label={t('state')}
        data={[{ value: '', label: t('allStates') }, ...STATES.map((value) => ({ value, label: t(value) }))]}
        allowDeselect={false}
        value={state ?? ''}
        onChange={(value) => onChange(STATES.find((each) => each === value) ?? null)}
      />
    </Group>
  );
}

export default function Vouchers() {
  const t = voucherTexts.use();
  const own = operatorTexts.use();
  const [state, setState] = useState<State | null>(null);
  const [isMaking, setMaking] = useState(false);
  // The codes live here and nowhere else, until their dialog is closed.
  const [made, setMade] = useState<NewVouchersAnswer | null>(null);
  const [revoking, setRevoking] = useState<VoucherAnswer | null>(null);
  const columns = useColumns(setRevoking);
  const paged = usePaged({
    queryKey: [...VOUCHERS_KEY, state],
    read: (cursor) =>
      answer(api.GET('/api/vouchers', { params: { query: { ...cursor, ...(state === null ? {} : { state }) } } })),
    itemsOf: (page) => page.vouchers,
  });
  const show = (vouchers: NewVouchersAnswer) => {
    setMaking(false);
    setMade(vouchers);
  };
  return (
    <Panel
      title={own('vouchers')}
      hint={t('hint')}
      actions={<Button onClick={() => setMaking(true)}>{t('make')}</Button>}
    >
      <StateSelect state={state} onChange={setState} />
      <PagedList paged={paged} nothing={t('none')}>
        {(vouchers) => (
          <DataTable
            caption={own('vouchers')}
            columns={columns}
            rows={vouchers}
            rowKey={({ id }) => id}
            isOver={(voucher) => voucher.state !== 'open'}
          />
        )}
      </PagedList>
      {isMaking && <MakeVouchers onMade={show} onClose={() => setMaking(false)} />}
      {made && <CodesShown made={made} onClose={() => setMade(null)} />}
      {revoking && <Revoke voucher={revoking} onClose={() => setRevoking(null)} />}
    </Panel>
  );
}
