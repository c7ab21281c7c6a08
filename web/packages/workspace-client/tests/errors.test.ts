import { describe, expect, it } from 'vitest';
import { type Billing, billingText, isBilling, responseError, runError, type WorkspaceError } from '../src/index.ts';
import { EXHAUSTED, HELD, LIMITED, TOO_LARGE } from './support/billing.ts';

const without = (billing: Billing, name: string) =>
  Object.fromEntries(Object.entries(billing).filter(([key]) => key !== name));

describe('isBilling', () => {
  it.each([EXHAUSTED, HELD, TOO_LARGE, LIMITED])('takes $reason', (billing) => {
    expect(isBilling(JSON.parse(JSON.stringify(billing)))).toBe(true);
  });

  it('takes what a newer server adds', () => {
    expect(isBilling({ ...EXHAUSTED, reason: 'ACCOUNT_FROZEN', iban: 'CH93' })).toBe(true);
  });

  it.each([
    ['nothing', null],
    ['a text', 'INSUFFICIENT_BALANCE'],
    ['another code', { ...EXHAUSTED, code: 'RATE_LIMITED' }],
    ['no reason', without(EXHAUSTED, 'reason')],
    ['no currency', without(EXHAUSTED, 'currency')],
    ['no text for a person', { ...EXHAUSTED, userAction: null }],
    ['held funds without a time', { ...HELD, retryAfterSeconds: null }],
    ['a limit without its limit', without(LIMITED, 'limit')],
  ])('refuses %s', (_, value) => {
    expect(isBilling(value)).toBe(false);
  });
});

describe('billingText', () => {
  it.each([
    ['de', EXHAUSTED.messageDe],
    ['de-CH', EXHAUSTED.messageDe],
    ['FR_ch', EXHAUSTED.messageFr],
    ['it', EXHAUSTED.messageIt],
    ['en-GB', EXHAUSTED.messageEn],
    ['rm', EXHAUSTED.messageEn],
    ['constructor', EXHAUSTED.messageEn],
    ['', EXHAUSTED.messageEn],
  ])('%s', (tag, text) => {
    expect(billingText(EXHAUSTED, tag)).toBe(text);
  });

  it('is English where a translation is missing', () => {
    expect(billingText({ ...EXHAUSTED, messageFr: '' }, 'fr')).toBe(EXHAUSTED.messageEn);
  });
});

describe('runError', () => {
  it.each<[string, unknown, WorkspaceError]>([
    ['INSUFFICIENT_BALANCE', { billing: HELD }, { kind: 'insufficient_balance', message: 'text', billing: HELD }],
    ['RATE_LIMITED', { retryAfterSeconds: 5 }, { kind: 'rate_limited', message: 'text', retryAfterSeconds: 5 }],
    ['UNAVAILABLE', undefined, { kind: 'unavailable', message: 'text', retryAfterSeconds: null }],
    ['UNAVAILABLE', { retryAfterSeconds: '5' }, { kind: 'unavailable', message: 'text', retryAfterSeconds: null }],
    ['FORBIDDEN', null, { kind: 'forbidden', message: 'text', code: 'FORBIDDEN' }],
    ['STEP_LIMIT', null, { kind: 'run_failed', message: 'text', code: 'STEP_LIMIT' }],
    ['SOMETHING_NEW', {}, { kind: 'run_failed', message: 'text', code: 'SOMETHING_NEW' }],
    // Without a billing object that can be read there is nothing to act on.
    ['INSUFFICIENT_BALANCE', {}, { kind: 'run_failed', message: 'text', code: 'INSUFFICIENT_BALANCE' }],
  ])('%s with %j', (code, metadata, expected) => {
    expect(runError(code, 'text', metadata)).toEqual(expected);
  });
});

describe('responseError', () => {
  const problem = (status: number, body: object, headers: Record<string, string> = {}) =>
    new Response(JSON.stringify({ title: 'title', status, ...body }), {
      status,
      headers: { 'content-type': 'application/problem+json', ...headers },
    });

  it.each<[string, Response, WorkspaceError]>([
    [
      '402',
      problem(402, { detail: 'text', billing: EXHAUSTED }),
      { kind: 'insufficient_balance', message: 'text', billing: EXHAUSTED },
    ],
    [
      '429 for held funds',
      problem(429, { detail: 'text', code: 'funds_held', billing: HELD }, { 'retry-after': '2' }),
      { kind: 'insufficient_balance', message: 'text', billing: HELD },
    ],
    [
      '429 for too much at once',
      problem(429, { detail: 'text', code: 'too_many_runs' }, { 'retry-after': '5' }),
      { kind: 'rate_limited', message: 'text', retryAfterSeconds: 5 },
    ],
    ['401', problem(401, { detail: 'text', code: 'unauthorized' }), { kind: 'signed_out', message: 'text' }],
    ['403', problem(403, { detail: 'text', code: 'csrf' }), { kind: 'forbidden', message: 'text', code: 'csrf' }],
    ['404', problem(404, { detail: 'text', code: 'not_found' }), { kind: 'not_found', message: 'text' }],
    [
      '409 of a thread that is busy',
      problem(409, { detail: 'text', code: 'run_in_progress' }),
      { kind: 'run_in_progress', message: 'text' },
    ],
    [
      'another 409',
      problem(409, { code: 'not_resumable' }),
      { kind: 'problem', message: 'title', status: 409, code: 'not_resumable', field: null },
    ],
    [
      '422',
      problem(422, { detail: 'text', code: 'invalid_request', field: 'messages' }),
      { kind: 'problem', message: 'text', status: 422, code: 'invalid_request', field: 'messages' },
    ],
    [
      '503',
      problem(503, { detail: 'text' }, { 'retry-after': '1' }),
      { kind: 'unavailable', message: 'text', retryAfterSeconds: 1 },
    ],
    [
      "a proxy's page",
      new Response('<h1>Bad gateway</h1>', {
        status: 502,
        headers: { 'retry-after': 'Sat, 28 Nov 2026 09:00:00 GMT' },
      }),
      { kind: 'unavailable', message: '', retryAfterSeconds: null },
    ],
    [
      '500 without anything',
      new Response(null, { status: 500 }),
      { kind: 'problem', message: '', status: 500, code: '', field: null },
    ],
  ])('%s', async (_, response, expected) => {
    expect(await responseError(response)).toEqual(expected);
  });
});
