// Pages of lists. Not here: tokens, which are the transport's.

/** A page of a list: entries after `after` (exclusive; the last entry's sort key of the page before), at most `limit`. */
export interface PageRequest {
  readonly limit: number;
  readonly after: readonly (string | number | null)[] | null;
}
