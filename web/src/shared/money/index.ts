export { amountOf, asTyped, isZero, nanosOf, negated, readAmount, shareOf, sumOf } from './amount.ts';
export { type Attempts, createAttempts, useAttempts } from './attempts.ts';
export { BILLING_MODELS, type BillingModel, billingModelTexts } from './billing-models.ts';
