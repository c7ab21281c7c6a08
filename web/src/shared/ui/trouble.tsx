import { Alert, Button, Center, Stack, Text, Title } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconAlertTriangle } from '@tabler/icons-react';
import { Link } from 'wouter';
import { ApiProblem } from '../api/index.ts';
import { commonTexts } from './texts.ts';

/** What to tell a reader about an error: the API's own words where they are about the request. */
export function troubleText(error: unknown): string {
  if (!(error instanceof ApiProblem)) return commonTexts.text('trouble');
  if (error.status === 0) return commonTexts.text('networkTrouble');
  if (error.status >= 500) return commonTexts.text('serverTrouble');
  return error.message === '' ? commonTexts.text('trouble') : error.message;
}

/** In the place of what could not be shown. */
export function Trouble({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const t = commonTexts.use();
  return (
    <Alert role="alert" color="red" variant="light" icon={<IconAlertTriangle aria-hidden />} m="md">
      <Stack gap="sm" align="flex-start">
        <Text>{troubleText(error)}</Text>
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            {t('retry')}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** Icons need words, too. */
const closing = () => ({ 'aria-label': commonTexts.text('close') });

/** A passing word about an action that failed. */
export function showTrouble(error: unknown): void {
  notifications.show({ color: 'red', message: troubleText(error), autoClose: 8_000, closeButtonProps: closing() });
}

export function showDone(message: string): void {
  notifications.show({ message, closeButtonProps: closing() });
}

export function NotFound({ reason = 'notFound' }: { reason?: 'notFound' | 'noMandate' | 'otherMandate' }) {
  const t = commonTexts.use();
  return (
    <Center mih="50vh" p="md">
      <Stack align="center">
        <Title order={1} size="h3" ta="center">
          {t(reason)}
        </Title>
        {reason !== 'noMandate' && (
          <Button component={Link} href="/" variant="default">
            {t('home')}
          </Button>
        )}
      </Stack>
    </Center>
  );
}
