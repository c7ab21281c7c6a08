import { Stack } from '@mantine/core';
import { Channels, Webhooks } from './endpoints.tsx';
import { Frequency } from './frequency.tsx';
import { Log } from './log.tsx';
import { Preview } from './preview.tsx';
import { Recipients } from './recipients.tsx';
import { Silences } from './silences.tsx';
import { Thresholds } from './thresholds.tsx';

/** Who is told of what, when and how, and what was told. */
export default function Notices() {
  return (
    <Stack gap="lg">
      <Recipients />
      <Thresholds />
      <Frequency />
      <Silences />
      <Channels />
      <Webhooks />
      <Log />
      <Preview />
    </Stack>
  );
}
