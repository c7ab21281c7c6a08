import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { showTrouble } from '../../../shared/ui/index.ts';
import { download } from './download.ts';

interface DownloadButtonProps {
  readonly address: string;
  /** Such as `PDF`. */
  readonly form: string;
  /** What it is, for whoever does not see the row it stands in. */
  readonly label: string;
}

export function DownloadButton({ address, form, label }: DownloadButtonProps) {
  const fetching = useMutation({ mutationFn: () => download(address), onError: showTrouble });
  return (
    <Button
      size="compact-sm"
      variant="default"
      aria-label={label}
      loading={fetching.isPending}
      onClick={() => fetching.mutate()}
    >
      {form}
    </Button>
  );
}
