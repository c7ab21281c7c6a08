/** What the compiler must know, and must refuse: checked by `tsc`, which reads tests, too. */
import { describe, expectTypeOf, it } from 'vitest';
import {
  type Billing,
  type BillingLimit,
  createWorkspace,
  isBilling,
  type Message,
  type Status,
  type WorkspaceError,
  type WorkspaceEvent,
  type WorkspaceOptions,
  type WorkspaceState,
  type WorkspaceStore,
} from '../src/index.ts';
import { useWorkspace, type Workspace } from '../src/react.ts';

describe('errors', () => {
  it('have a billing object by their kind, and not before', () => {
    const told = (error: WorkspaceError) => {
      // @ts-expect-error: which error it is, is not known yet.
      void error.billing;
      if (error.kind === 'insufficient_balance') {
        expectTypeOf(error.billing).toEqualTypeOf<Billing>();
        // @ts-expect-error: that is another error's.
        void error.retryAfterSeconds;
      } else {
        // @ts-expect-error: nothing else has one.
        void error.billing;
      }
      if (error.kind === 'rate_limited') expectTypeOf(error.retryAfterSeconds).toEqualTypeOf<number | null>();
      if (error.kind === 'problem') expectTypeOf(error.field).toEqualTypeOf<string | null>();
      // @ts-expect-error: there is no such kind.
      return error.kind === 'out_of_money';
    };
    expectTypeOf(told).returns.toBeBoolean();
  });

  it('can be gone through, and none forgotten', () => {
    const told = (error: WorkspaceError): string => {
      switch (error.kind) {
        case 'insufficient_balance':
          return error.billing.messageEn;
        case 'rate_limited':
        case 'unavailable':
        case 'network':
        case 'signed_out':
        case 'forbidden':
        case 'not_found':
        case 'run_in_progress':
        case 'run_failed':
        case 'problem':
          return error.message;
        default:
          return error satisfies never;
      }
    };
    expectTypeOf(told).returns.toBeString();
  });
});

describe('the billing object', () => {
  it('has what its reason adds', () => {
    const told = (billing: Billing) => {
      expectTypeOf(billing.retryAfterSeconds).toEqualTypeOf<number | null>();
      // @ts-expect-error: only a limit that was reached has one.
      void billing.limit;
      if (billing.reason === 'FUNDS_HELD') expectTypeOf(billing.retryAfterSeconds).toEqualTypeOf<number>();
      if (billing.reason === 'LIMIT_REACHED') expectTypeOf(billing.limit).toEqualTypeOf<BillingLimit>();
      if (billing.reason === 'REQUEST_TOO_LARGE') {
        expectTypeOf(billing.affordableOutputTokens).toEqualTypeOf<number | null>();
      }
      // @ts-expect-error: amounts are texts; a float would round them.
      return billing.requiredAmount * 2;
    };
    expectTypeOf(told).parameter(0).toEqualTypeOf<Billing>();
  });

  it('is known by its guard', () => {
    expectTypeOf(isBilling).guards.toEqualTypeOf<Billing>();
  });
});

describe('the state', () => {
  it('cannot be changed from outside', () => {
    const change = (state: WorkspaceState) => {
      // @ts-expect-error: read only.
      state.status = 'idle';
      // @ts-expect-error: read only.
      state.messages.push(state.messages[0] as Message);
    };
    expectTypeOf(change).returns.toBeVoid();
    expectTypeOf<Status>().toEqualTypeOf<'idle' | 'sending' | 'streaming' | 'reconnecting' | 'stopping' | 'failed'>();
  });
});

describe('the store and the hook', () => {
  it('need an address, and nothing else', () => {
    expectTypeOf(createWorkspace).parameter(0).toEqualTypeOf<WorkspaceOptions>();
    expectTypeOf<{ url: string }>().toExtend<WorkspaceOptions>();
    // @ts-expect-error: without an address there is no thread.
    expectTypeOf<Record<never, never>>().toExtend<WorkspaceOptions>();
    expectTypeOf<{ url: string; headers: () => Promise<{ authorization: string }> }>().toExtend<WorkspaceOptions>();
    expectTypeOf<{ url: string; onError: undefined }>().toExtend<WorkspaceOptions>();
    // @ts-expect-error: a header is a text.
    expectTypeOf<{ url: string; headers: { retries: number } }>().toExtend<WorkspaceOptions>();
  });

  it('hand on typed errors and events', () => {
    type Told<K extends 'onError' | 'onEvent'> = Parameters<NonNullable<WorkspaceOptions[K]>>[0];
    expectTypeOf<Told<'onError'>>().toEqualTypeOf<WorkspaceError>();
    expectTypeOf<Told<'onEvent'>>().toEqualTypeOf<WorkspaceEvent>();
  });

  it('have the same means', () => {
    expectTypeOf(useWorkspace).returns.toEqualTypeOf<Workspace>();
    expectTypeOf<Pick<Workspace, 'messages' | 'status' | 'error'>>().toEqualTypeOf<
      Pick<WorkspaceState, 'messages' | 'status' | 'error'>
    >();
    expectTypeOf<Pick<Workspace, 'send' | 'stop' | 'resume' | 'load'>>().toEqualTypeOf<
      Pick<WorkspaceStore, 'send' | 'stop' | 'resume' | 'load'>
    >();
  });
});
