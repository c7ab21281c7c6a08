import { List, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { answer, api, type UserAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useBalance } from '../../../shared/live/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Confirm, showDone } from '../../../shared/ui/index.ts';
import { memberTexts } from './texts.ts';

/** What is left in somebody's wallet, if anything is. */
function useRest(userId: string): string | null {
  const balance = useBalance();
  const { money } = useFormat();
  const wallet = balance?.accounts.find((each) => each.payer === 'wallet' && each.userId === userId);
  return balance && wallet && Number(wallet.posted) > 0 ? money(wallet.posted, balance.currency) : null;
}

export function RemoveMember({ user, onClose }: { user: UserAnswer; onClose: () => void }) {
  const { id: mandateId } = useMandate();
  const t = memberTexts.use();
  const client = useQueryClient();
  const rest = useRest(user.id);
  const name = user.displayName;
  const remove = async () => {
    await answer(
      api.DELETE('/api/mandates/{mandateId}/users/{userId}', { params: { path: { mandateId, userId: user.id } } }),
    );
    void client.invalidateQueries({ queryKey: ['mandate', mandateId] });
    showDone(t('removed', { name }));
  };
  return (
    <Confirm title={t('removeTitle', { name })} action={t('remove')} onConfirm={remove} onClose={onClose}>
      <List size="sm" spacing={6}>
        <List.Item>{t('removeKeys')}</List.Item>
        <List.Item>{t('removeSessions')}</List.Item>
        <List.Item>{rest === null ? t('removeRest') : t('removeRestAmount', { amount: rest })}</List.Item>
        <List.Item>{t('removeErase')}</List.Item>
      </List>
      <Text size="sm" fw={600} mt="sm">
        {t('removeFinal')}
      </Text>
    </Confirm>
  );
}
