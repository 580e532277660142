// Amounts are integers of minor units, beyond 2^53-1 decimal strings.
//
// The digits are those of ISO 4217, which the server goes by: Intl has
// others for some currencies, those of cash.

const DIGITS = new Map([
  ...['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF',
    'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'].map((c) => [c, 0]),
  ...['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'].map((c) => [c, 3]),
  ...['CLF', 'UYW'].map((c) => [c, 4]),
]);

export function digits(currency) {
  return DIGITS.get(currency) ?? 2;
}

export function money(amount, currency, locale) {
  const n = BigInt(amount);
  const places = digits(currency);
  const unit = 10n ** BigInt(places);
  const size = n < 0n ? -n : n;
  const fraction = String(size % unit).padStart(places, '0');

  // Exact beyond the precision of a number: only the whole part is left to
  // Intl, as a BigInt.

  const text = new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    numberingSystem: 'latn',
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  }).formatToParts(size / unit)
    .map((part) => (part.type === 'fraction' ? fraction : part.value))
    .join('');

  return n < 0n ? `\u2212${text}` : text;
}

// {"EUR": {"gross", "refunded"}}, several of them, to a Map of net BigInts.

export function net(...sums) {
  const total = new Map();

  for (const amounts of sums) {
    for (const [currency, sum] of Object.entries(amounts ?? {})) {
      total.set(currency, (total.get(currency) ?? 0n)
        + BigInt(sum.gross) - BigInt(sum.refunded));
    }
  }

  return total;
}

export function less(total, other) {
  const rest = new Map(total);

  for (const [currency, amount] of other) {
    rest.set(currency, (rest.get(currency) ?? 0n) - amount);
  }

  return rest;
}
