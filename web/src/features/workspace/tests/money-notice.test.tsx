import { act, fireEvent, screen, waitFor } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import type { RequestAnswer } from '../../../shared/api/index.ts';
import { LANGUAGES, setLanguage } from '../../../shared/i18n/index.ts';
import { balanceKey } from '../../../shared/live/index.ts';
import type { Billing, Workspace } from '../client.ts';
import { billingPath } from '../money-notice.tsx';
import { isMoneyThere } from '../money-there.ts';
import { Standstill } from '../standstill.tsx';
import { standstillTexts } from '../standstill-texts.ts';
import { ANNA, billing, MANDATE, ofMember, pool, prepareBrowser, show, workspace } from './surroundings.tsx';

prepareBrowser();

const BEFORE = ['mandate', MANDATE, 'balance-before', 'request-1'];
const SINCE = '2026-11-28T08:00:00Z';

function notice(given: Billing, on: Workspace = workspace(given)) {
  const error = { kind: 'insufficient_balance', message: '', billing: given } as const;
  return <Standstill workspace={on} error={error} threadId="thread-1" title="Lease" since={SINCE} />;
}

const messageOf = (given: Billing, language: (typeof LANGUAGES)[number]) =>
  ({ de: given.messageDe, en: given.messageEn, fr: given.messageFr, it: given.messageIt })[language];

describe.each(LANGUAGES)('in %s', (language) => {
  it.each(Object.entries(billing))('%s says what happened, in its own words and the server’s', (_, given) => {
    setLanguage(language, false);
    show(notice(given));
    expect(screen.getByRole('heading', { name: standstillTexts.text(given.reason) })).toBeTruthy();
    expect(screen.getByText(messageOf(given, language))).toBeTruthy();
  });
});

describe('the one action', () => {
  it('is to top up, for whoever may, with the way back in the address', () => {
    show(notice(billing.exhausted), { balance: pool('0.000100000'), before: pool('0.000100000') });
    const link = screen.getByRole('link', { name: 'Top up' });
    expect(link.getAttribute('href')).toBe(billingPath(billing.exhausted, 'thread-1'));
    const query = new URL(link.getAttribute('href') ?? '', 'http://x').searchParams;
    expect(Object.fromEntries(query)).toEqual({ mandate: MANDATE, return: '/workspace/thread-1' });
    expect(screen.queryByRole('button', { name: 'Ask for a top-up' })).toBeNull();
  });

  it('is to ask, for whoever may not, without any amount of the pool', () => {
    const { container } = show(notice(ofMember(billing.exhausted)), { role: 'member' });
    expect(screen.queryByRole('link')).toBeNull();
    expect(container.textContent).not.toMatch(/CHF/);
    fireEvent.click(screen.getByRole('button', { name: 'Ask for a top-up' }));
    const reason = screen.getByLabelText<HTMLInputElement>(/What do you need it for/);
    expect(reason.value).toContain('Lease');
    expect(document.activeElement).toBe(reason);
  });

  it('is to change a limit, which is told in full', () => {
    const { container } = show(notice(billing.limit));
    expect(screen.getByRole('link', { name: 'Change the limit' }).getAttribute('href')).toContain('/billing/limits?');
    expect(container.textContent).toMatch(/CHF.20\.00 a month · used: CHF.19\.99 · Applies to: you/);
    expect(container.textContent).toMatch(/resets on .*2030.*You may change it/);
  });

  it('tells a member who may change a limit, and lets them ask', () => {
    const { container } = show(notice(ofMember(billing.limit)), { role: 'member' });
    expect(container.textContent).toContain('The owners and finance people of Helvetia Treuhand AG may change it.');
    expect(screen.getByRole('button', { name: 'Ask for a higher limit' })).toBeTruthy();
  });
});

it('changes its language with the page', () => {
  show(notice(billing.exhausted));
  act(() => setLanguage('de', false));
  expect(screen.getByText(billing.exhausted.messageDe)).toBeTruthy();
  expect(screen.getByRole('link', { name: 'Aufladen' })).toBeTruthy();
});

describe('once there is money', () => {
  it('offers to go on, as soon as the live balance says so', async () => {
    const on = workspace(billing.exhausted);
    const { client } = show(notice(billing.exhausted, on), { balance: pool('0'), before: pool('0') });
    expect(screen.getByRole('button', { name: 'Continue' }).dataset['variant']).toBe('default');
    act(() => void client.setQueryData(balanceKey(MANDATE), pool('10.000000000')));
    expect(await screen.findByRole('heading', { name: 'There is credit again' })).toBeTruthy();
    expect(screen.queryByRole('link', { name: 'Top up' })).toBeNull();
    const goOn = screen.getByRole('button', { name: 'Continue' });
    expect(goOn.dataset['variant']).toBe('filled');
    fireEvent.click(goOn);
    expect(on.resume).toHaveBeenCalledOnce();
  });

  it.each([
    ['too little', billing.exhausted, ['0.011', '0.011'], '0', false],
    ['enough, and something came in', billing.exhausted, ['0.012', '0.012'], '0.004', true],
    ['what an answer that was cut off gave back', billing.exhausted, ['0.013', '0.013'], '0.013', false],
    ['much, whatever was before', billing.exhausted, ['5', '5'], null, true],
    ['much, but not for so large a request', billing.tooLarge, ['5', '5'], null, false],
    ['all of it held by others', billing.exhausted, ['0', '10'], '0', false],
    ['a limit has nothing to do with it', billing.limit, ['100', '100'], '0', false],
  ] as const)('%s', (_, given, [available, posted], before, expected) => {
    const [account] = pool(available).accounts;
    expect(isMoneyThere(given, account ? { ...account, posted } : null, before)).toBe(expected);
  });

  it('is not told to whoever may not see it', () => {
    expect(isMoneyThere(billing.exhausted, null, null)).toBe(false);
  });

  it('does not take for money what is paid late of an answer that was cut off', async () => {
    const { client } = show(notice(billing.exhausted), { balance: pool('0.5'), before: pool('0.5') });
    act(() => void client.setQueryData(balanceKey(MANDATE), pool('0.1')));
    await waitFor(() => expect(client.getQueryData(BEFORE)).toEqual(pool('0.1')));
    expect(screen.queryByRole('heading', { name: 'There is credit again' })).toBeNull();
    act(() => void client.setQueryData(balanceKey(MANDATE), pool('0.2')));
    expect(await screen.findByRole('heading', { name: 'There is credit again' })).toBeTruthy();
  });
});

describe('a request for a top-up', () => {
  const request = (state: RequestAnswer['state'], decidedAt: string | null): RequestAnswer => ({
    id: 'request',
    userId: ANNA,
    name: 'Anna',
    reason: 'Work',
    state,
    createdAt: '2026-11-28T08:05:00Z',
    decidedAt,
  });
  const showWith = (one: RequestAnswer) =>
    show(notice(ofMember(billing.exhausted)), { role: 'member', requests: [one] }).container;
  const ask = () => screen.queryByRole('button', { name: 'Ask for a top-up' });
  const goOn = () => screen.getByRole('button', { name: 'Continue' }).dataset['variant'];

  it('is waited for', () => {
    expect(showWith(request('OPEN', null)).textContent).toMatch(/You asked on/);
    expect(ask()).toBeNull();
    expect(goOn()).toBe('default');
  });

  it('is told when finance agrees: then it may go on', () => {
    expect(showWith(request('APPROVED', '2026-11-28T08:10:00Z')).textContent).toMatch(/Finance agreed on/);
    expect(ask()).toBeNull();
    expect(goOn()).toBe('filled');
  });

  it('is told when finance declines: it can be asked again', () => {
    expect(showWith(request('DECLINED', '2026-11-28T08:10:00Z')).textContent).toMatch(/Finance declined on/);
    expect(ask()).not.toBeNull();
  });

  it('of an earlier shortage counts no more', () => {
    expect(showWith(request('APPROVED', '2026-11-27T08:10:00Z')).textContent).not.toMatch(/agreed/);
    expect(ask()).not.toBeNull();
  });
});

describe('held funds', () => {
  it('are waited for, with a countdown, and need not be', () => {
    const on = workspace(billing.held, { retryAt: Date.now() + 19_500 });
    show(notice(billing.held, on));
    expect(screen.getByRole('timer').textContent).toMatch(/in (20|19) seconds/);
    fireEvent.click(screen.getByRole('button', { name: 'Stop waiting' }));
    expect(on.stop).toHaveBeenCalledOnce();
    fireEvent.click(screen.getByRole('button', { name: 'Try now' }));
    expect(on.resume).toHaveBeenCalledOnce();
  });

  it('can be tried again by hand once nobody waits', () => {
    show(notice(billing.held, workspace(billing.held, { retryAt: null })));
    expect(screen.queryByRole('timer')).toBeNull();
    expect(screen.getByRole('button', { name: 'Continue' })).toBeTruthy();
  });
});

describe('other standstills', () => {
  it('of the network have words of their own, and a way on', () => {
    const on = workspace(billing.exhausted, { resumption: 'follow' });
    const error = { kind: 'network', message: '' } as const;
    show(<Standstill workspace={on} error={error} threadId="thread-1" title="Lease" since={null} />);
    expect(screen.getByText('Nothing is lost. We try again as soon as you say so.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Load again' }));
    expect(on.resume).toHaveBeenCalledOnce();
  });
});
