import { Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Tagged, taggedAnswer, type UserAnswer } from '../../../shared/api/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import {
  Answered,
  commonTexts,
  Dialog,
  LanguageSelect,
  SendForm,
  showDone,
  TimeZoneSelect,
  useSending,
} from '../../../shared/ui/index.ts';
import { languageOrNull, type Role, RoleSelect, textOrNull } from '../fields.tsx';
import { peopleKey } from '../people.ts';
import { mandateTexts } from '../texts.ts';
import { memberTexts } from './texts.ts';

interface Values extends Record<string, unknown> {
  displayName: string;
  email: string;
  role: Role;
  language: string;
  timeZone: string;
  externalId: string;
}

const NEW: Values = { displayName: '', email: '', role: 'member', language: '', timeZone: '', externalId: '' };

function valuesOf(user: UserAnswer): Values {
  return {
    displayName: user.displayName,
    email: user.email ?? '',
    role: user.role,
    language: user.language ?? '',
    timeZone: user.timeZone ?? '',
    externalId: user.externalId ?? '',
  };
}

function bodyOf(values: Values) {
  return {
    displayName: textOrNull(values.displayName),
    email: textOrNull(values.email),
    role: values.role,
    language: languageOrNull(values.language),
    timeZone: textOrNull(values.timeZone),
    externalId: textOrNull(values.externalId),
  };
}

/** For a new person, or for one who is there and was read with `tag`. */
function MemberForm({ user, onClose }: { user: Tagged<UserAnswer> | null; onClose: () => void }) {
  const { id: mandateId } = useMandate();
  const t = memberTexts.use();
  const common = commonTexts.use();
  const organisation = mandateTexts.use();
  const form = useForm<Values>({ initialValues: user === null ? NEW : valuesOf(user.data) });
  const sent = useSending({
    form,
    changes: [peopleKey(mandateId)],
    send: (values) =>
      user === null
        ? answer(api.POST('/api/mandates/{mandateId}/users', { params: { path: { mandateId } }, body: bodyOf(values) }))
        : answer(
            api.PATCH('/api/mandates/{mandateId}/users/{userId}', {
              params: { path: { mandateId, userId: user.data.id }, header: { 'If-Match': user.tag } },
              body: bodyOf(values),
            }),
          ),
    onDone: ({ displayName }) => {
      showDone(user === null ? t('added', { name: displayName }) : common('saved'));
      onClose();
    },
  });
  const none = organisation('asOrganisation');
  return (
    <SendForm sent={sent} action={common(user === null ? 'add' : 'save')} onCancel={onClose}>
      {user === null && (
        <Text size="sm" c="var(--bursar-quiet)">
          {t('addHint')}
        </Text>
      )}
      <TextInput label={t('name')} data-autofocus {...form.getInputProps('displayName')} />
      <TextInput label={t('email')} type="email" {...form.getInputProps('email')} />
      <RoleSelect {...form.getInputProps('role')} />
      <LanguageSelect label={t('language')} none={none} {...form.getInputProps('language')} />
      <TimeZoneSelect label={t('timeZone')} none={none} {...form.getInputProps('timeZone')} />
      <TextInput label={t('externalId')} description={t('externalIdHint')} {...form.getInputProps('externalId')} />
    </SendForm>
  );
}

export function AddMember({ onClose }: { onClose: () => void }) {
  const t = memberTexts.use();
  return (
    <Dialog opened title={t('add')} onClose={onClose}>
      <MemberForm user={null} onClose={onClose} />
    </Dialog>
  );
}

/** Read anew before it is changed: what somebody else changed meanwhile is neither hidden nor overwritten. */
export function ChangeMember({ user, onClose }: { user: UserAnswer; onClose: () => void }) {
  const { id: mandateId } = useMandate();
  const t = memberTexts.use();
  const fresh = useQuery({
    queryKey: [...peopleKey(mandateId), 'one', user.id],
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () =>
      taggedAnswer(
        api.GET('/api/mandates/{mandateId}/users/{userId}', { params: { path: { mandateId, userId: user.id } } }),
      ),
  });
  return (
    <Dialog opened title={t('edit', { name: user.displayName })} onClose={onClose}>
      <Answered query={fresh}>{(found) => <MemberForm key={found.tag} user={found} onClose={onClose} />}</Answered>
    </Dialog>
  );
}
