import { Alert, Button, Group, Stack } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import type { NewKeyAnswer } from '../../../shared/api/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Copyable, Dialog } from '../../../shared/ui/index.ts';
import { exampleCall } from './key-state.ts';
import { keyTexts } from './texts.ts';

/** The one time that a key's text is on a page. Only the button or the cross ends it: no slip of a finger. */
export function KeyShown({ made, onClose }: { made: NewKeyAnswer; onClose: () => void }) {
  const { id: mandateId } = useMandate();
  const t = keyTexts.use();
  return (
    <Dialog opened title={t('shownTitle')} closeOnEscape={false} onClose={onClose}>
      <Stack gap="md">
        <Alert color="yellow" icon={<IconKey aria-hidden />}>
          {t(made.kind === 'admin' ? 'shownManages' : 'shownOnce')}
        </Alert>
        <Copyable label={`${t('key')}: ${made.name}`} text={made.key} />
        <Copyable label={t('tryIt')} text={exampleCall(made, made.key, mandateId)} />
        <Group justify="flex-end">
          <Button onClick={onClose}>{t('stored')}</Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
