export * from '../../shared/money/amount.ts';
