import { Menu, UnstyledButton } from '@mantine/core';
import { IconChevronDown } from '@tabler/icons-react';
import type { ModelAnswer } from '../../shared/api/index.ts';
import { useFormat } from '../../shared/i18n/index.ts';
import classes from './model-choice.module.css';
import { workspaceTexts } from './texts.ts';

interface ModelChoiceProps {
  readonly models: readonly ModelAnswer[];
  readonly value: string;
  readonly onChange: (model: string) => void;
}

/** The model, and what each one costs. */
export function ModelChoice({ models, value, onChange }: ModelChoiceProps) {
  const t = workspaceTexts.use();
  const isOffered = models.some(({ model }) => model === value);
  return (
    <Menu position="bottom-start" width={300} shadow="md" loop>
      <Menu.Target>
        <UnstyledButton className={classes['button']} aria-label={t('modelOf', { model: value })}>
          <span className={classes['name']} data-gone={!isOffered || undefined}>
            {value}
          </span>
          <IconChevronDown size={15} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown aria-label={t('model')} className={classes['list']}>
        {!isOffered && <Menu.Label>{t('modelGone')}</Menu.Label>}
        <Menu.RadioGroup value={value} onChange={onChange}>
          {models.map((each) => (
            <ModelItem key={each.model} model={each} />
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
  );
}

function ModelItem({ model }: { model: ModelAnswer }) {
  const t = workspaceTexts.use();
  const format = useFormat();
  const prices = t('prices', {
    input: format.money(model.inputPerMillion, model.currency),
    output: format.money(model.outputPerMillion, model.currency),
  });
  return (
    <Menu.RadioItem value={model.model} closeMenuOnClick>
      <span className={classes['model']}>{model.model}</span>
      <span className={classes['prices']}>{prices}</span>
    </Menu.RadioItem>
  );
}
