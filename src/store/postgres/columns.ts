// Column lists of the hot statements, how bulk parameters become rows, and amounts between columns and the domain. Not here:
// what the columns mean, see schema/.
import type { Amounts } from "../../domain/amounts.ts";

/** A column of a bulk statement: its name, its SQL type, and how a row gives its value. */
export interface BulkColumn<Row> {
  readonly name: string;
  readonly type: string;
  readonly value: (row: Row) => unknown;
}

/** One array per column: unnest beats VALUES lists, which make one prepared statement per size. */
export function arraysOf<Row>(columns: readonly BulkColumn<Row>[], rows: readonly Row[]): string[] {
  return columns.map((c) =>
    arrayLiteral(
      c.type,
      rows.map((row) => c.value(row)),
    ),
  );
}

/**
 * Text form of an array parameter; bytes may be given in hex. The driver could make it, but only after asking the server for its array types on
 * every new connection, and a connection that dies during that question rejects where nobody can catch it.
 */
export function arrayLiteral(type: string, values: readonly unknown[]): string {
  let text = "{";
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (i > 0) text += ",";
    if (value === null || value === undefined) text += "NULL";
    else if (value instanceof Uint8Array) text += `"\\\\x${hexOf(value)}"`;
    else if (type === "bytea") text += `"\\\\x${value as string}"`;
    else if (type === "text") text += `"${escaped(`${value as string}`)}"`;
    else text += `${value as string}`;
  }
  return `${text}}`;
}

/** Bytes of a column as the domain has them. */
export function hexOf(bytes: Uint8Array): string;
export function hexOf(bytes: Uint8Array | null): string | null;
export function hexOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

function escaped(text: string): string {
  return text.includes("\\") || text.includes('"') ? text.replaceAll("\\", "\\\\").replaceAll('"', '\\"') : text;
}

/** `INSERT INTO maestro.table (…) SELECT … FROM unnest(…)`. */
export function insertText<Row>(table: string, columns: readonly BulkColumn<Row>[], tail = ""): string {
  const names = columns.map((c) => c.name).join(", ");
  const arrays = columns.map((c, i) => `$${i + 1}::${c.type}[]`).join(", ");
  return `INSERT INTO maestro.${table} (${names}) SELECT ${names} FROM unnest(${arrays}) AS v(${names}) ${tail}`;
}

/** Columns of an amount, such as `held_tokens`. */
export function amountColumns<Row>(
  prefix: string,
  value: (row: Row) => {
    readonly tokens: number | null;
    readonly moneyMicros: number | null;
    readonly wallMs: number | null;
    readonly energyMillijoules: number | null;
  },
): readonly BulkColumn<Row>[] {
  return [
    { name: `${prefix}_tokens`, type: "bigint", value: (row) => value(row).tokens },
    { name: `${prefix}_money`, type: "bigint", value: (row) => value(row).moneyMicros },
    { name: `${prefix}_wall`, type: "bigint", value: (row) => value(row).wallMs },
    { name: `${prefix}_energy`, type: "bigint", value: (row) => value(row).energyMillijoules },
  ];
}

/** Raw columns of amounts that are always known, such as `held_tokens`, by prefix. */
export type RawAmounts<Prefix extends string> = Readonly<
  Record<`${Prefix}_${"tokens" | "money" | "wall" | "energy"}`, number>
>;

type Names<Prefix extends string> = Readonly<Record<"tokens" | "money" | "wall" | "energy", keyof RawAmounts<Prefix>>>;
const NAMES = new Map<string, Names<string>>();

/** Names made once: each plan of a batch asks for twenty. */
function namesOf<Prefix extends string>(prefix: Prefix): Names<Prefix> {
  let names = NAMES.get(prefix);
  if (names === undefined) {
    names = {
      tokens: `${prefix}_tokens`,
      money: `${prefix}_money`,
      wall: `${prefix}_wall`,
      energy: `${prefix}_energy`,
    };
    NAMES.set(prefix, names);
  }
  return names as Names<Prefix>;
}

/** The way back from `amountColumns`. */
export function amountsOf<Prefix extends string>(raw: RawAmounts<Prefix>, prefix: Prefix): Amounts {
  const { tokens, money, wall, energy } = namesOf(prefix);
  return { tokens: raw[tokens], moneyMicros: raw[money], wallMs: raw[wall], energyMillijoules: raw[energy] };
}
