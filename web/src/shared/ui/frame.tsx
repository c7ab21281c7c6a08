import { AppShell, Group, NativeSelect, Text, UnstyledButton } from '@mantine/core';
import type { Icon } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { useLiveConnection, useLiveState } from '../live/index.ts';
import { useChosenMandate } from '../session/index.ts';
import { AccountMenu } from './account-menu.tsx';
import classes from './frame.module.css';
import { commonTexts } from './texts.ts';

export interface FramePage {
  readonly path: string;
  readonly text: 'workspace' | 'billing' | 'mandate' | 'operator';
  readonly icon: Icon;
}

function Navigation({ pages, className }: { pages: readonly FramePage[]; className: string | undefined }) {
  const t = commonTexts.use();
  const [location] = useLocation();
  return (
    <nav aria-label={t('navigation')} className={className}>
      {pages.map(({ path, text, icon: PageIcon }) => (
        <Link
          key={path}
          href={path}
          className={classes['link']}
          aria-current={location.startsWith(path) ? 'page' : undefined}
        >
          <PageIcon size={20} stroke={1.7} aria-hidden />
          <span>{t(text)}</span>
        </Link>
      ))}
    </nav>
  );
}

function MandateChoice() {
  const t = commonTexts.use();
  const { mandate, mandates, choose } = useChosenMandate();
  const [location, navigate] = useLocation();
  if (mandate === null) return null;
  if (mandates.length === 1) {
    return (
      <Text size="sm" c="var(--bursar-quiet)" truncate className={classes['mandate']} title={mandate.name}>
        {mandate.name}
      </Text>
    );
  }
  return (
    <NativeSelect
      size="xs"
      className={classes['mandate']}
      aria-label={t('chooseMandate')}
      data={mandates.map(({ id, name }) => ({ value: id, label: name }))}
      value={mandate.id}
      onChange={(event) => {
        choose(event.currentTarget.value);
        // What is open below a page is the other mandate's.
        navigate(`/${location.split('/')[1] ?? ''}`);
      }}
    />
  );
}

/** Brand, pages, mandate and account around a page; on phones the pages are at the bottom, under the thumb. */
export function Frame({
  pages,
  bell,
  children,
}: {
  pages: readonly FramePage[];
  bell: ReactNode;
  children: ReactNode;
}) {
  const t = commonTexts.use();
  useLiveConnection();
  const isLost = useLiveState() === 'lost';
  return (
    <AppShell header={{ height: 56 }} footer={{ height: { base: 60, sm: 0 } }} padding={{ base: 'sm', sm: 'lg' }}>
      <a href="#content" className="skip-link">
        {t('toContent')}
      </a>
      <AppShell.Header bg="var(--bursar-raised)" className={classes['header']}>
        <UnstyledButton component={Link} href="/" className={classes['brand']} aria-label="Bursar">
          <img src="/icon.svg" alt="" width={28} height={28} />
          <span>Bursar</span>
        </UnstyledButton>
        <Navigation pages={pages} className={classes['tabs']} />
        <Group gap="xs" wrap="nowrap" className={classes['tools']}>
          <MandateChoice />
          {bell}
          <AccountMenu />
        </Group>
      </AppShell.Header>
      <AppShell.Main id="content" tabIndex={-1} className={classes['main']}>
        {isLost && (
          <Text role="status" size="sm" ta="center" className={classes['lost']}>
            {t('lost')}
          </Text>
        )}
        {children}
      </AppShell.Main>
      <AppShell.Footer hiddenFrom="sm" bg="var(--bursar-raised)">
        <Navigation pages={pages} className={classes['bar']} />
      </AppShell.Footer>
    </AppShell>
  );
}
