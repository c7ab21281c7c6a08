import { ActionIcon, Progress, Text } from '@mantine/core';
import { IconAlertTriangle, IconFileText, IconX } from '@tabler/icons-react';
import { useState } from 'react';
import type { DocumentAnswer } from '../../shared/api/index.ts';
import { useFormat } from '../../shared/i18n/index.ts';
import { Confirm, troubleText } from '../../shared/ui/index.ts';
import classes from './documents.module.css';
import { workspaceTexts } from './texts.ts';
import { useDeleteDocument, useDocuments } from './threads.ts';
import type { Upload } from './upload.ts';

interface DocumentsProps {
  readonly threadId: string;
  readonly uploads: readonly Upload[];
  readonly onDismiss: (id: number) => void;
}

/** The documents of a thread and those on their way, where they were added: above the text. */
export function Documents({ threadId, uploads, onDismiss }: DocumentsProps) {
  const t = workspaceTexts.use();
  const documents = useDocuments(threadId);
  const remove = useDeleteDocument(threadId);
  const [leaving, setLeaving] = useState<DocumentAnswer | null>(null);
  const refused = uploads.filter((each) => each.error !== null);
  const coming = uploads.filter((each) => each.error === null);
  if (documents.length + uploads.length === 0) return null;
  return (
    <div className={classes['documents']}>
      <ul className={classes['list']} aria-label={t('documents')}>
        {documents.map((each) => (
          <DocumentChip key={each.id} document={each} onRemove={() => setLeaving(each)} />
        ))}
        {coming.map((each) => (
          <UploadChip key={each.id} upload={each} />
        ))}
      </ul>
      {refused.map((each) => (
        <Refused key={each.id} upload={each} onDismiss={() => onDismiss(each.id)} />
      ))}
      {leaving && (
        <Confirm
          title={t('removeTitle')}
          action={t('remove')}
          onConfirm={() => remove(leaving.id)}
          onClose={() => setLeaving(null)}
        >
          {t('removeText', { name: leaving.name })}
        </Confirm>
      )}
    </div>
  );
}

function DocumentChip({ document, onRemove }: { document: DocumentAnswer; onRemove: () => void }) {
  const t = workspaceTexts.use();
  const format = useFormat();
  const about = `${t('pages', { count: document.pages })} · ${format.bytes(document.sizeBytes)}`;
  return (
    <li className={classes['chip']}>
      <IconFileText size={18} stroke={1.6} aria-hidden />
      <span className={classes['words']}>
        <span className={classes['name']} title={document.name}>
          {document.name}
        </span>
        <span className={classes['about']}>{about}</span>
      </span>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={26}
        radius="xl"
        aria-label={t('removeDocument', { name: document.name })}
        onClick={onRemove}
      >
        <IconX size={14} aria-hidden />
      </ActionIcon>
    </li>
  );
}

function UploadChip({ upload }: { upload: Upload }) {
  const t = workspaceTexts.use();
  const format = useFormat();
  const label = t('uploading', { name: upload.name, percent: format.percent(upload.share) });
  return (
    <li className={classes['chip']} aria-busy>
      <IconFileText size={18} stroke={1.6} aria-hidden />
      <span className={classes['words']}>
        <span className={classes['name']}>{upload.name}</span>
        <Progress value={upload.share * 100} size={4} aria-label={label} animated w={96} my={5} />
      </span>
    </li>
  );
}

function Refused({ upload, onDismiss }: { upload: Upload; onDismiss: () => void }) {
  const t = workspaceTexts.use();
  return (
    <div className={classes['refused']} role="alert">
      <IconAlertTriangle size={16} aria-hidden />
      <Text size="sm" inherit>
        {t('uploadFailed', { name: upload.name, reason: troubleText(upload.error) })}
      </Text>
      <ActionIcon variant="subtle" color="gray" size={24} aria-label={t('dismiss')} onClick={onDismiss}>
        <IconX size={14} aria-hidden />
      </ActionIcon>
    </div>
  );
}
