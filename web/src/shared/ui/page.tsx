import { Card, type CardProps, Group, Loader, Stack, Text, Title } from '@mantine/core';
import { type ReactNode, useEffect } from 'react';
import { commonTexts } from './texts.ts';
import { Trouble } from './trouble.tsx';

/** The frame of a page: its one `h1`, what can be done, and its content. */
export function Page({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Bursar`;
  }, [title]);
  return (
    <Stack gap="lg" maw={1120} mx="auto" w="100%">
      <Group justify="space-between" align="center" wrap="wrap">
        <Title order={1} size="h2">
          {title}
        </Title>
        {actions}
      </Group>
      {children}
    </Stack>
  );
}

/** A part of a page under a heading of its own. */
export function Panel({ title, hint, actions, children, ...card }: PanelProps) {
  return (
    <Card component="section" withBorder padding="lg" bg="var(--bursar-raised)" {...card}>
      <Stack gap="md">
        <Group justify="space-between" align="flex-start" wrap="wrap">
          <div>
            <Title order={2} size="h4">
              {title}
            </Title>
            {hint && (
              <Text size="sm" c="var(--bursar-quiet)">
                {hint}
              </Text>
            )}
          </div>
          {actions}
        </Group>
        {children}
      </Stack>
    </Card>
  );
}

interface PanelProps extends Omit<CardProps, 'title'> {
  readonly title: string;
  readonly hint?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function Waiting() {
  const t = commonTexts.use();
  return (
    <Group justify="center" p="xl" role="status" aria-label={t('loading')}>
      <Loader type="dots" />
    </Group>
  );
}

export function Nothing({ children }: { children?: ReactNode }) {
  const t = commonTexts.use();
  return <Text c="var(--bursar-quiet)">{children ?? t('nothing')}</Text>;
}

interface Read<Data> {
  readonly data: Data | undefined;
  readonly error: unknown;
  readonly refetch: () => unknown;
}

/** A query's three ends: data, trouble with another try, or a wait. */
export function Answered<Data>({ query, children }: { query: Read<Data>; children: (data: Data) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <Trouble error={query.error} onRetry={() => void query.refetch()} />;
  return <Waiting />;
}
