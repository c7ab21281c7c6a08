export { payingAccount, useBalance, useUnread } from './balance.ts';
export {
  type Account,
  type Balance,
  balanceKey,
  merged,
  renewed,
  unreadKey,
  useLiveConnection,
  useLiveState,
} from './live.ts';
