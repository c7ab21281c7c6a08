import type { KeyAnswer, NewKeyAnswer, UserAnswer } from '../../../shared/api/index.ts';
import { ANNA } from '../../../shared/testing/surroundings.tsx';

export const USERS = '/api/mandates/{mandateId}/users';
export const KEYS = '/api/mandates/{mandateId}/keys';

export function user(changed: Partial<UserAnswer> = {}): UserAnswer {
  return {
    id: ANNA,
    email: 'anna@example.ch',
    displayName: 'Anna Muster',
    role: 'owner',
    language: null,
    timeZone: null,
    externalId: null,
    createdAt: '2026-11-01T09:00:00Z',
    ...changed,
  };
}

export function apiKey(changed: Partial<KeyAnswer> = {}): KeyAnswer {
  return {
    id: '33333333-3333-4333-8333-333333333333',
    kind: 'user',
    userId: ANNA,
    name: 'Laptop',
    prefix: 'bur_11111111111141118111111111111111_AbCdEf',
    createdBy: `user:${ANNA}`,
    createdAt: '2026-11-01T09:00:00Z',
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
    allowedModels: null,
    readOnlyBilling: false,
    formerPrefix: null,
    formerUntil: null,
    maxCallsPerMinute: null,
    maxConcurrentCalls: null,
    maxHeld: null,
    ...changed,
  };
}

export const SECRET = 'bur_11111111111141118111111111111111_AbCdEfSecret';

export function newKey(changed: Partial<NewKeyAnswer> = {}): NewKeyAnswer {
  return { ...apiKey(), key: SECRET, ...changed };
}
