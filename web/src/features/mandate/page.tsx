import { Alert } from '@mantine/core';
import { lazy } from 'react';
import { useMandate } from '../../shared/session/index.ts';
import { commonTexts, Page, type SubPage, SubPages } from '../../shared/ui/index.ts';
import { Invitations } from './invitations/invitations.tsx';
import { Keys } from './keys/keys.tsx';
import { Members } from './members/members.tsx';
import { type Rights, useRights } from './rights.ts';
import { mandateTexts } from './texts.ts';

const Audit = lazy(() => import('./audit.tsx'));
const Settings = lazy(() => import('./settings/settings.tsx'));

const PARTS = [
  { path: 'members', Content: Members, isFor: (rights: Rights) => rights.people },
  { path: 'invitations', Content: Invitations, isFor: (rights: Rights) => rights.people },
  { path: 'keys', Content: Keys, isFor: () => true },
  { path: 'audit', Content: Audit, isFor: (rights: Rights) => rights.audit },
  { path: 'settings', Content: Settings, isFor: (rights: Rights) => rights.settings },
] as const;

export default function MandatePage() {
  const t = commonTexts.use();
  const own = mandateTexts.use();
  const rights = useRights();
  const { name, status } = useMandate();
  const pages: readonly SubPage[] = PARTS.filter((part) => part.isFor(rights)).map(({ path, Content }) => ({
    path,
    Content,
    title: own(path),
  }));
  return (
    <Page title={name}>
      {status !== 'active' && <Alert color="yellow">{own(status)}</Alert>}
      <SubPages base="/mandate" title={t('mandate')} pages={pages} />
    </Page>
  );
}
