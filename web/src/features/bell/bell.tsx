import { ActionIcon, Indicator } from '@mantine/core';
import { IconBell } from '@tabler/icons-react';
import { useUnread } from '../../shared/live/index.ts';

/** Unread notices of the chosen mandate. */
export function Bell() {
  const unread = useUnread();
  return (
    <Indicator disabled={unread === 0} label={unread} size={16}>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Notices">
        <IconBell aria-hidden />
      </ActionIcon>
    </Indicator>
  );
}
