/** `100.00` CHF as `100.00 Swiss francs`: the currency by its name, with every decimal that was given. */
export function amountInWords(amount: string, currency: string, locale: string): string {
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    currencyDisplay: 'name',
    minimumFractionDigits: 2,
    maximumFractionDigits: 9,
  }).format(amount as Intl.StringNumericLiteral);
}
