import { Alert, Button, Card, Center, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useLocation, useSearch } from 'wouter';
import { answer, api } from '../../shared/api/index.ts';
import { leavePlace } from '../../shared/session/index.ts';
import { LanguageChoice } from '../../shared/ui/account-menu.tsx';
import { Answered, troubleText } from '../../shared/ui/index.ts';
import { signInTexts } from './texts.ts';

/** The address that was asked for, to come back to. */
function useHere(): string {
  const [path] = useLocation();
  const search = useSearch();
  return search === '' ? path : `${path}?${search}`;
}

function ByMail({ here }: { here: string }) {
  const t = signInTexts.use();
  const [email, setEmail] = useState('');
  const request = useMutation({ mutationFn: () => answer(api.POST('/auth/link-requests', { body: { email } })) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    leavePlace(here);
    request.mutate();
  };
  if (request.isSuccess) return <Alert role="status">{t('linkSent', { email })}</Alert>;
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          type="email"
          autoComplete="email"
          required
          label={t('email')}
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={request.isError && troubleText(request.error)}
        />
        <Button type="submit" loading={request.isPending} fullWidth>
          {t('sendLink')}
        </Button>
        <Text size="sm" c="var(--bursar-quiet)">
          {t('byLink')}
        </Text>
      </Stack>
    </form>
  );
}

export function SignIn() {
  const t = signInTexts.use();
  const here = useHere();
  const ways = useQuery({ queryKey: ['providers'], queryFn: () => answer(api.GET('/auth/providers')) });
  return (
    <Center mih="100vh" p="md" component="main">
      <Card withBorder padding="xl" w="100%" maw={420} bg="var(--bursar-raised)">
        <Stack>
          <img src="/icon.svg" alt="" width={44} height={44} />
          <Title order={1} size="h3">
            {t('title')}
          </Title>
          <Answered query={ways}>
            {({ providers, byMail }) => (
              <>
                {providers.map(({ name, title, startUrl }) => (
                  <Button key={name} component="a" href={`${startUrl}?returnTo=${encodeURIComponent(here)}`} size="md">
                    {t('with', { provider: title })}
                  </Button>
                ))}
                {byMail && <ByMail here={here} />}
              </>
            )}
          </Answered>
          <LanguageChoice />
          <Text size="xs" c="var(--bursar-quiet)">
            {t('onlySignIn')}
          </Text>
        </Stack>
      </Card>
    </Center>
  );
}
