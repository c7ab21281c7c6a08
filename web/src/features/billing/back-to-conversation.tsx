import { Button, type ButtonProps } from '@mantine/core';
import { IconArrowBackUp } from '@tabler/icons-react';
import { Link } from 'wouter';
import { takePlace } from '../../shared/session/index.ts';
import { useReturnPlace } from './return-place.ts';
import { pageTexts } from './texts/page.ts';

/** Shown to whoever came here out of a conversation. */
export function BackToConversation(props: ButtonProps) {
  const t = pageTexts.use();
  const place = useReturnPlace();
  if (place === null) return null;
  return (
    <Button
      component={Link}
      href={place}
      onClick={() => void takePlace()}
      leftSection={<IconArrowBackUp size={18} aria-hidden />}
      {...props}
    >
      {t('backToConversation')}
    </Button>
  );
}
