// How values travel between JavaScript and Postgres on every connection. Not here: rows, which their own files map.

type Parser = (text: string) => unknown;

interface WireType {
  readonly to: number;
  readonly from: number[];
  readonly serialize: (value: unknown) => unknown;
  readonly parse: Parser;
}

const asText = (value: unknown): unknown => value;

/** Elements of a one-dimensional array in text form. */
function elements(text: string, parse: Parser): unknown[] {
  const found: unknown[] = [];
  let at = 1;
  while (at < text.length - 1) {
    if (text[at] === '"') {
      let value = "";
      for (at++; text[at] !== '"'; at++) {
        if (text[at] === "\\") at++;
        value += text[at] ?? "";
      }
      found.push(parse(value));
      at += 2;
    } else {
      let end = text.indexOf(",", at);
      if (end < 0) end = text.length - 1;
      const value = text.slice(at, end);
      found.push(value === "NULL" ? null : parse(value));
      at = end + 1;
    }
  }
  return found;
}

// Array parameters are made by arrayLiteral (columns.ts) and travel as the text they are.
function arrayType(oid: number, parse: Parser): WireType {
  return { to: oid, from: [oid], serialize: asText, parse: (text) => elements(text, parse) };
}

/** A bigint as a number when that loses nothing; all of ours are below 2^53. */
function wholeNumber(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/**
 * Types by name, for the driver. With the array types given here it need not ask the server for them on every new
 * connection. JSON parameters are JSON text already: the driver would otherwise quote it once more.
 */
export const wireTypes: Record<string, WireType> = {
  bigint: { to: 20, from: [20], serialize: String, parse: wholeNumber },
  json: {
    to: 114,
    from: [114, 3802],
    serialize: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
    parse: (text) => JSON.parse(text) as unknown,
  },
  booleans: arrayType(1000, (text) => text === "t"),
  integers: arrayType(1007, Number),
  bigints: arrayType(1016, wholeNumber),
  texts: arrayType(1009, asText),
  uuids: arrayType(2951, asText),
};
