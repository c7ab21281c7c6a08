export { type AuditFilter, AuditLog } from './audit-log.tsx';
export { ACTIONS } from './readable.ts';
