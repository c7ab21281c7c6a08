import { Button, Group, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Dialog } from './form.tsx';
import { commonTexts } from './texts.ts';
import { Trouble } from './trouble.tsx';

interface ConfirmProps {
  readonly title: string;
  /** What will happen, in full. */
  readonly children: ReactNode;
  readonly action: string;
  readonly isDangerous?: boolean;
  readonly onConfirm: () => Promise<unknown>;
  readonly onClose: () => void;
}

/** Asks before something that cannot be taken back. It closes when it is done, and not before. */
export function Confirm({ title, children, action, isDangerous = true, onConfirm, onClose }: ConfirmProps) {
  const t = commonTexts.use();
  const doing = useMutation({ mutationFn: onConfirm, onSuccess: onClose });
  return (
    <Dialog opened title={title} size="md" onClose={() => doing.isPending || onClose()}>
      <Stack gap="md">
        <div>{children}</div>
        {doing.isError && <Trouble error={doing.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} disabled={doing.isPending} data-autofocus>
            {t('cancel')}
          </Button>
          <Button loading={doing.isPending} onClick={() => doing.mutate()} {...(isDangerous ? { color: 'red' } : {})}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
