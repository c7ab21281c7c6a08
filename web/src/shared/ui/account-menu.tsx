import { ActionIcon, Menu, SegmentedControl, Select, Stack, Text, useMantineColorScheme } from '@mantine/core';
import { IconLogout, IconUserCircle } from '@tabler/icons-react';
import { answer, api } from '../api/index.ts';
import { isLanguage, LANGUAGE_NAMES, LANGUAGES, type Language, setLanguage, useLanguage } from '../i18n/index.ts';
import { useSession } from '../session/index.ts';
import { commonTexts } from './texts.ts';
import { showTrouble } from './trouble.tsx';

/** At once on the page, and for all that is said to this person from now on. */
export function LanguageChoice({ onChosen }: { onChosen?: (language: Language) => void }) {
  const t = commonTexts.use();
  const language = useLanguage();
  return (
    <Select
      label={t('language')}
      aria-label={t('language')}
      size="sm"
      data={LANGUAGES.map((value) => ({ value, label: LANGUAGE_NAMES[value] }))}
      value={language}
      allowDeselect={false}
      comboboxProps={{ withinPortal: false }}
      onChange={(value) => {
        if (!isLanguage(value)) return;
        setLanguage(value, true);
        onChosen?.(value);
      }}
    />
  );
}

function AppearanceChoice() {
  const t = commonTexts.use();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <div>
      <Text size="sm" fw={500} mb={4}>
        {t('appearance')}
      </Text>
      <SegmentedControl
        size="xs"
        fullWidth
        aria-label={t('appearance')}
        value={colorScheme}
        onChange={(value) => setColorScheme(value as typeof colorScheme)}
        data={(['light', 'dark', 'auto'] as const).map((value) => ({ value, label: t(value) }))}
      />
    </div>
  );
}

export function AccountMenu() {
  const t = commonTexts.use();
  const session = useSession();
  const name = session.person.displayName ?? session.person.email;
  const leave = async (path: '/auth/sign-out' | '/auth/sign-out-everywhere') => {
    try {
      await answer(api.POST(path));
      // A new document: nothing of this person stays in it, nor in what was kept for coming back.
      sessionStorage.clear();
      window.location.replace('/');
    } catch (error) {
      showTrouble(error);
    }
  };
  const keep = (language: Language) => void api.PUT('/api/session/language', { body: { language } }).catch(showTrouble);
  return (
    <Menu position="bottom-end" width={260} withinPortal={false} trapFocus={false}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t('account')}>
          <IconUserCircle aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {name && <Menu.Label>{t('signedInAs', { name })}</Menu.Label>}
        <Stack gap="sm" px="sm" py="xs">
          <LanguageChoice onChosen={keep} />
          <AppearanceChoice />
        </Stack>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void leave('/auth/sign-out')}>
          {t('signOut')}
        </Menu.Item>
        <Menu.Item onClick={() => void leave('/auth/sign-out-everywhere')}>{t('signOutEverywhere')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
