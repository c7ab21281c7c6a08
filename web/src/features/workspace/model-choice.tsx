import { Menu, UnstyledButton } from '@mantine/core';
import { IconCheck, IconChevronDown } from '@tabler/icons-react';
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
        {models.map((each) => (
          <ModelItem key={each.model} model={each} isChosen={each.model === value} onChoose={onChange} />
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

interface ModelItemProps {
  readonly model: ModelAnswer;
  readonly isChosen: boolean;
  readonly onChoose: (model: string) => void;
}

function ModelItem({ model, isChosen, onChoose }: ModelItemProps) {
  const t = workspaceTexts.use();
  const format = useFormat();
  const prices = t('prices', {
    input: format.money(model.inputPerMillion, model.currency),
    output: format.money(model.outputPerMillion, model.currency),
  });
  return (
    <Menu.Item
      role="menuitemradio"
      aria-checked={isChosen}
      rightSection={isChosen ? <IconCheck size={16} aria-hidden /> : <span style={{ width: 16 }} />}
      onClick={() => onChoose(model.model)}
    >
      <span className={classes['model']}>{model.model}</span>
      <span className={classes['prices']}>{prices}</span>
    </Menu.Item>
  );
}
