import { Stack } from '@mantine/core';
import { Answered } from '../../../shared/ui/index.ts';
import { useRights } from '../rights.ts';
import { CallsForm } from './calls-form.tsx';
import { OrganisationForm } from './organisation-form.tsx';
import { Terms, TermsForm } from './terms.tsx';
import { useSettings } from './use-settings.ts';

export default function Settings() {
  const { rename, terms } = useRights();
  const settings = useSettings();
  return (
    <Stack gap="lg">
      {rename && <OrganisationForm />}
      <Answered query={settings}>
        {(known) => (
          // Another version is another form: nothing that somebody else changed is hidden behind what was typed.
          <Stack gap="lg" key={known.tag}>
            <CallsForm known={known} />
            {terms ? <TermsForm known={known} /> : <Terms settings={known.data} />}
          </Stack>
        )}
      </Answered>
    </Stack>
  );
}
