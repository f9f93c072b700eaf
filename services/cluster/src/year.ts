/** Mean Gregorian year, ms. */
export const YEAR = 365.2425 * 24 * 3600 * 1000
