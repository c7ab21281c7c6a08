import { Button } from '@mantine/core';
import { IconAlertCircle, IconPlayerPlay } from '@tabler/icons-react';
import type { Resumption, Workspace, WorkspaceError } from './client.ts';
import { MoneyNotice } from './money-notice.tsx';
import { Notice } from './notice.tsx';
import { standstillTexts } from './standstill-texts.ts';

export interface StandstillProps {
  readonly workspace: Workspace;
  readonly error: WorkspaceError;
  readonly threadId: string;
  readonly title: string;
  /** When the run came to its standstill. */
  readonly since: string | null;
}

const ACTIONS = { load: 'load', send: 'sendAgain', follow: 'load', continue: 'goOn' } as const satisfies Record<
  Resumption,
  string
>;
/** What no server has said anything about is said here. */
const OWN_TEXTS = { network: 'networkText', not_found: 'notFoundText', signed_out: 'signedOutText' } as const;
const hasOwnText = (kind: string): kind is keyof typeof OWN_TEXTS => Object.hasOwn(OWN_TEXTS, kind);

/** Why it stands still, and how it goes on. */
export function Standstill(props: StandstillProps) {
  const t = standstillTexts.use();
  const { workspace, error } = props;
  if (error.kind === 'insufficient_balance') return <MoneyNotice {...props} billing={error.billing} />;
  const { resumption } = workspace.state;
  const text = hasOwnText(error.kind) ? t(OWN_TEXTS[error.kind]) : error.message;
  return (
    <Notice icon={<IconAlertCircle size={22} stroke={1.7} aria-hidden />} title={t(error.kind)} tone="quiet">
      {text !== '' && <p>{text}</p>}
      {resumption !== null && (
        <div>
          <Button
            size="sm"
            leftSection={<IconPlayerPlay size={16} aria-hidden />}
            onClick={() => void workspace.resume()}
          >
            {t(ACTIONS[resumption])}
          </Button>
        </div>
      )}
    </Notice>
  );
}
