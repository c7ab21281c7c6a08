import { useMutation, useQueryClient } from '@tanstack/react-query';
import { answer, api, type PostedAnswer } from '../../../shared/api/index.ts';
import { balanceKey } from '../../../shared/live/index.ts';
import { useAttempts } from '../../../shared/money/index.ts';
import { POOL } from '../form.tsx';
import { useMandatePath } from '../place.ts';
import { moneyKey } from '../queries.ts';

/** Whose account a form is about, as the API wants it. */
export function userOf(account: string): { userId?: string } {
  return account === POOL ? {} : { userId: account };
}

/** A request that moves money: sent again with the same content it keeps its key, so that nothing moves twice. */
function useMoneyMutation<Body>(
  send: (mandateId: string, body: Body, key: string) => Promise<PostedAnswer>,
  onPosted: (posted: PostedAnswer) => void,
) {
  const client = useQueryClient();
  const { mandateId } = useMandatePath();
  const attempts = useAttempts();
  return useMutation({
    mutationFn: (body: Body) => send(mandateId, body, attempts.keyFor(body)),
    onSuccess: (posted) => {
      attempts.done();
      onPosted(posted);
      void client.invalidateQueries({ queryKey: balanceKey(mandateId) });
      void client.invalidateQueries({ queryKey: moneyKey(mandateId) });
    },
  });
}

export function useRedemption(onPosted: (posted: PostedAnswer) => void) {
  return useMoneyMutation<{ code: string; userId?: string }>(
    (mandateId, body, key) =>
      answer(
        api.POST('/api/mandates/{mandateId}/vouchers/redeem', {
          params: { path: { mandateId }, header: { 'Idempotency-Key': key } },
          body,
        }),
      ),
    onPosted,
  );
}

export function useTopUp(onPosted: (posted: PostedAnswer) => void) {
  return useMoneyMutation<{ amount: string; userId?: string; reference?: string }>(
    (mandateId, body, key) =>
      answer(
        api.POST('/api/mandates/{mandateId}/top-ups', {
          params: { path: { mandateId }, header: { 'Idempotency-Key': key } },
          body,
        }),
      ),
    onPosted,
  );
}

export function useWalletTransfer(onPosted: (posted: PostedAnswer) => void) {
  return useMoneyMutation<{ amount: string; userId: string; reference?: string }>(
    (mandateId, body, key) =>
      answer(
        api.POST('/api/mandates/{mandateId}/wallet-transfers', {
          params: { path: { mandateId }, header: { 'Idempotency-Key': key } },
          body,
        }),
      ),
    onPosted,
  );
}
