import { NumberInput, TagsInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { answer, api, type WishesAnswer } from '../../../shared/api/index.ts';
import { asTyped, readAmount } from '../../../shared/money/index.ts';
import { Answered, commonTexts, Panel, SendForm, showDone, useSending } from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { noticesTexts } from '../texts/notices.ts';
import { useWishes, wishesKey } from './queries.ts';

/** An amount, or a share such as `20%`, as the API takes it; what is neither goes there as it is, to be refused. */
export function thresholdOf(typed: string): string {
  return typed.includes('%') ? typed.replaceAll(' ', '') : (readAmount(typed) ?? typed);
}

function Form({ wishes }: { wishes: WishesAnswer }) {
  const t = noticesTexts.use();
  const common = commonTexts.use();
  const path = useMandatePath();
  const form = useForm({
    initialValues: {
      lowBalanceThresholds: wishes.lowBalanceThresholds.map((each) => (each.endsWith('%') ? each : asTyped(each))),
      runningOutHours: wishes.runningOutHours,
      limitNearPercent: wishes.limitNearPercent,
    },
  });
  const sent = useSending({
    form,
    changes: [wishesKey(path.mandateId)],
    onDone: () => showDone(t('saved')),
    send: (values) => {
      const body = { ...values, lowBalanceThresholds: values.lowBalanceThresholds.map(thresholdOf) };
      return answer(api.PUT('/api/mandates/{mandateId}/notice-settings', { params: { path }, body }));
    },
  });
  return (
    <SendForm sent={sent} action={common('save')}>
      <TagsInput
        label={t('thresholds')}
        description={t('thresholdsHint')}
        maxTags={10}
        {...form.getInputProps('lowBalanceThresholds')}
      />
      <NumberInput
        label={t('runningOut')}
        description={t('runningOutHint')}
        min={0}
        max={2160}
        allowDecimal={false}
        maw={320}
        {...form.getInputProps('runningOutHours')}
      />
      <NumberInput
        label={t('limitNear')}
        description={t('limitNearHint')}
        min={0}
        max={99}
        allowDecimal={false}
        maw={320}
        {...form.getInputProps('limitNearPercent')}
      />
    </SendForm>
  );
}

/** From which figures on somebody is told. */
export function Thresholds() {
  const t = noticesTexts.use();
  return (
    <Panel title={t('when')}>
      <Answered query={useWishes()}>{(wishes) => <Form wishes={wishes} />}</Answered>
    </Panel>
  );
}
