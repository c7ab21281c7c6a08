import { SegmentedControl, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { useLocation } from 'wouter';
import type { ModelAnswer } from '../../shared/api/index.ts';
import { Composer } from './composer.tsx';
import { keepDraft } from './draft.ts';
import { ModelChoice } from './model-choice.tsx';
import { leaveOpening, type Opening } from './opening.ts';
import classes from './start.module.css';
import { Suggestions } from './suggestions.tsx';
import { workspaceTexts } from './texts.ts';
import { pathOf } from './thread-list.tsx';
import { type Kind, useAddThread } from './threads.ts';

const MODEL = 'bursar.model';
const KIND = 'bursar.kind';

/** Where a conversation begins: it is made with the first thing that is said or handed over. */
export function Start({ models }: { models: readonly ModelAnswer[] }) {
  const t = workspaceTexts.use();
  const [, navigate] = useLocation();
  const addThread = useAddThread();
  const [tries, setTries] = useState(0);
  const [kind, setKind] = useRemembered<Kind>(KIND, ['agent', 'chat']);
  const [model, setModel] = useRemembered(
    MODEL,
    models.map((each) => each.model),
  );
  if (model === undefined || kind === undefined) return <Text p="lg">{t('noModels')}</Text>;
  const begin = (opening: Opening) => {
    if (addThread.isPending) return;
    addThread.mutate(
      { kind, model },
      {
        onSuccess: ({ id }) => {
          leaveOpening(id, opening);
          navigate(pathOf(id));
        },
        onError: () => {
          if (opening.text === null) return;
          keepDraft('new', opening.text);
          setTries((before) => before + 1);
        },
      },
    );
  };
  const say = (text: string) => begin({ text, files: [] });
  return (
    <div className={classes['start']}>
      <div className={classes['inner']}>
        <Title order={1} className={classes['title']}>
          {t('startTitle')}
        </Title>
        <div className={classes['choices']}>
          <SegmentedControl
            aria-label={t('kind')}
            value={kind}
            onChange={(value) => setKind(value)}
            data={[
              { value: 'agent', label: t('agent') },
              { value: 'chat', label: t('chat') },
            ]}
          />
          <ModelChoice models={models} value={model} onChange={setModel} />
        </div>
        <Composer
          key={tries}
          draft="new"
          isBusy={addThread.isPending}
          canStop={false}
          onSend={say}
          onFiles={kind === 'agent' ? (files) => begin({ text: null, files }) : undefined}
        />
        <Suggestions kind={kind} onChoose={say} />
      </div>
    </div>
  );
}

/** The last choice on this device, as long as there is such a thing; else the first. */
function useRemembered<Value extends string>(name: string, values: readonly Value[]) {
  const [chosen, setChosen] = useState(() => localStorage.getItem(name));
  const value = values.find((each) => each === chosen) ?? values[0];
  const choose = (next: Value) => {
    localStorage.setItem(name, next);
    setChosen(next);
  };
  return [value, choose] as const;
}
