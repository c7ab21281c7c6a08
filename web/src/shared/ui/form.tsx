import { Button, Group, Modal, type ModalProps, Stack } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { type QueryKey, useMutation, useQueryClient } from '@tanstack/react-query';
import type { FormEvent, ReactNode } from 'react';
import { ApiProblem } from '../api/index.ts';
import { commonTexts } from './texts.ts';
import { Trouble, troubleText } from './trouble.tsx';

/** The field of a form that a refusal is about, as the API names it: `allowedModels.0` is about `allowedModels`. */
export function fieldOf(error: unknown, fields: readonly string[]): string | null {
  if (!(error instanceof ApiProblem) || error.field === null) return null;
  return error.field.split('.').find((part) => fields.includes(part)) ?? null;
}

/** A refusal's words under a field: without its name, which stands above. */
export function fieldText(error: unknown): string {
  const text = troubleText(error);
  const prefix = error instanceof ApiProblem && error.field !== null ? `${error.field}: ` : '';
  const rest = text.startsWith(prefix) ? text.slice(prefix.length) : text;
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

interface Sending<Values, Answer> {
  readonly form: UseFormReturnType<Values>;
  readonly send: (values: Values) => Promise<Answer>;
  readonly onDone?: (answer: Answer) => void;
  /** What has changed by it, and is read again. */
  readonly changes?: readonly QueryKey[];
}

export interface Sent {
  readonly onSubmit: (event?: FormEvent<HTMLFormElement>) => void;
  readonly isPending: boolean;
  /** A refusal that is about no field of the form. */
  readonly trouble: unknown;
}

/** Sends a form; a refusal that names one of its fields is shown there, and the field focused. */
export function useSending<Values extends Record<string, unknown>, Answer>(sending: Sending<Values, Answer>): Sent {
  const { form, send, onDone, changes = [] } = sending;
  const client = useQueryClient();
  const fields = Object.keys(form.getValues());
  const mutation = useMutation({
    mutationFn: send,
    // An answer may hold a secret: it is gone with whoever shows it.
    gcTime: 0,
    onSuccess: (answer) => {
      for (const queryKey of changes) void client.invalidateQueries({ queryKey });
      onDone?.(answer);
    },
    onError: (error) => {
      const field = fieldOf(error, fields);
      if (field === null) return;
      form.setFieldError(field, fieldText(error));
      form.getInputNode(field)?.focus();
    },
  });
  return {
    onSubmit: form.onSubmit((values) => mutation.mutate(values)),
    isPending: mutation.isPending,
    trouble: mutation.error !== null && fieldOf(mutation.error, fields) === null ? mutation.error : null,
  };
}

interface SendFormProps {
  readonly sent: Sent;
  readonly action: string;
  readonly onCancel?: () => void;
  readonly isDangerous?: boolean;
  readonly children: ReactNode;
}

/** The fields, what went wrong beside them, and the buttons. */
export function SendForm({ sent, action, onCancel, isDangerous = false, children }: SendFormProps) {
  const t = commonTexts.use();
  return (
    <form onSubmit={sent.onSubmit} noValidate>
      <Stack gap="md">
        {children}
        {sent.trouble !== null && <Trouble error={sent.trouble} />}
        <Group justify="flex-end">
          {onCancel && (
            <Button variant="default" onClick={onCancel}>
              {t('cancel')}
            </Button>
          )}
          <Button type="submit" loading={sent.isPending} {...(isDangerous ? { color: 'red' } : {})}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** A dialog over the page: what is begun in it is not lost by a click beside it. */
export function Dialog({ children, ...modal }: Omit<ModalProps, 'onClose'> & { onClose: () => void }) {
  const t = commonTexts.use();
  return (
    <Modal
      size="lg"
      centered
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': t('close') }}
      transitionProps={{ duration: 0 }}
      styles={{ title: { fontWeight: 650 } }}
      {...modal}
    >
      {children}
    </Modal>
  );
}
