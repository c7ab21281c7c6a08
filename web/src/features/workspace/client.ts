export type * from 'bursar-workspace-client';
export { addAmounts, billingText, isBusy } from 'bursar-workspace-client';
export { useWorkspace, type Workspace } from 'bursar-workspace-client/react';
