import { ActionIcon, Indicator, Popover } from '@mantine/core';
import { IconBell } from '@tabler/icons-react';
import { useState } from 'react';
import { useUnread } from '../../shared/live/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import classes from './bell.module.css';
import { Inbox } from './inbox.tsx';
import { bellTexts } from './texts.ts';

const MOST_SHOWN = 99;

function RingingBell() {
  const t = bellTexts.use();
  const unread = useUnread();
  const [isOpen, setOpen] = useState(false);
  const said = unread === 0 ? '' : t('unread', { count: unread });
  return (
    <Popover
      opened={isOpen}
      onChange={setOpen}
      position="bottom-end"
      width="min(26rem, calc(100vw - 1.5rem))"
      trapFocus
      returnFocus
      withinPortal
      shadow="md"
      transitionProps={{ duration: 0 }}
    >
      <Indicator
        disabled={unread === 0}
        label={unread > MOST_SHOWN ? `${MOST_SHOWN}+` : unread}
        size={16}
        offset={6}
        color="red"
      >
        <Popover.Target>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label={unread === 0 ? t('notices') : `${t('notices')}: ${said}`}
            onClick={() => setOpen(!isOpen)}
          >
            <IconBell aria-hidden />
          </ActionIcon>
        </Popover.Target>
      </Indicator>
      <Popover.Dropdown p={0} bg="var(--bursar-raised)" className={classes['dropdown'] ?? ''} aria-label={t('notices')}>
        {isOpen && <Inbox onClose={() => setOpen(false)} />}
      </Popover.Dropdown>
      <span role="status" className="visually-hidden">
        {said}
      </span>
    </Popover>
  );
}

/** Unread notices of the chosen mandate, and what they say. Only a member of it has an inbox there. */
export function Bell() {
  const { userId } = useMandate();
  return userId === null ? null : <RingingBell />;
}
