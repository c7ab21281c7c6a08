import { Alert, Badge, Group, Select, Text } from '@mantine/core';
import { useState } from 'react';
import { answer, api, type PriceAnswer } from '../../shared/api/index.ts';
import { useFormat } from '../../shared/i18n/index.ts';
import { type Column, commonTexts, DataTable, PagedList, Panel, SearchInput, usePaged } from '../../shared/ui/index.ts';
import { installationTexts } from './installation-texts.ts';
import { useMandateNames } from './queries.ts';
import { operatorTexts } from './texts.ts';

function SourceCell({ price: { source, provider, exchangeRate, markupPercent, problem } }: { price: PriceAnswer }) {
  const t = installationTexts.use();
  if (problem) return <Badge color="red">{t(problem)}</Badge>;
  const terms = [
    exchangeRate && Number(exchangeRate) !== 1 && t('rate', { rate: exchangeRate }),
    markupPercent && Number(markupPercent) !== 0 && t('markup', { percent: markupPercent }),
  ];
  return (
    <div>
      {provider ?? source ?? '–'}
      <Text size="xs" c="var(--bursar-quiet)">
        {terms.filter(Boolean).join(' · ')}
      </Text>
    </div>
  );
}

function useColumns(): Column<PriceAnswer>[] {
  const t = installationTexts.use();
  const { money } = useFormat();
  const figure = (
    label: 'input' | 'cached' | 'output',
    amountOf: (price: PriceAnswer) => string | null | undefined,
  ) => ({
    key: label,
    label: t(label),
    isFigure: true,
    cell: (price: PriceAnswer) => {
      const amount = amountOf(price);
      return amount == null ? '–' : money(amount, price.currency);
    },
  });
  return [
    {
      key: 'model',
      label: t('model'),
      cell: ({ model, upstream }) => (
        <>
          {model}
          <Text span display="block" size="xs" c="var(--bursar-quiet)">
            {upstream}
          </Text>
        </>
      ),
    },
    figure('input', ({ inputPerMillion }) => inputPerMillion),
    figure('cached', ({ cachedInputPerMillion }) => cachedInputPerMillion),
    figure('output', ({ outputPerMillion }) => outputPerMillion),
    { key: 'source', label: t('source'), cell: (price) => <SourceCell price={price} /> },
  ];
}

/** What cannot be used comes first: it is what somebody has to do something about. */
export function problemsFirst(prices: readonly PriceAnswer[]): readonly PriceAnswer[] {
  return [...prices].sort((one, other) => Number(Boolean(other.problem)) - Number(Boolean(one.problem)));
}

function usePrices(currency: string) {
  return usePaged({
    queryKey: ['operator', 'prices', currency],
    read: (cursor) => answer(api.GET('/api/prices', { params: { query: { ...cursor, currency } } })),
    itemsOf: (page) => page.prices,
    wantsAll: true,
  });
}

export default function Prices() {
  const t = installationTexts.use();
  const common = commonTexts.use();
  const own = operatorTexts.use();
  const [currency, setCurrency] = useState('CHF');
  const [search, setSearch] = useState('');
  const currencies = [...new Set(['CHF', 'EUR', 'USD', ...useMandateNames().map((each) => each.currency)])];
  const paged = usePrices(currency);
  const columns = useColumns();
  const prices = problemsFirst(paged.query.data ?? []);
  const broken = prices.filter(({ problem }) => problem).length;
  return (
    <Panel title={own('prices')} hint={t('pricesHint')}>
      {broken > 0 && <Alert color="red">{t('problems', { count: broken })}</Alert>}
      <Group>
        <SearchInput value={search} onSearch={setSearch} />
        <Select
          aria-label={t('currency')}
          data={currencies}
          allowDeselect={false}
          value={currency}
          onChange={(value) => setCurrency(value ?? currency)}
        />
      </Group>
      <PagedList
        paged={paged}
        shown={prices.filter(({ model }) => model.toLowerCase().includes(search.trim().toLowerCase()))}
        nothing={search === '' ? t('noPrices') : common('noMatch')}
      >
        {(shown) => (
          <DataTable
            caption={own('prices')}
            columns={columns}
            rows={shown}
            rowKey={({ model, upstream }) => `${upstream} ${model}`}
          />
        )}
      </PagedList>
    </Panel>
  );
}
