// Statements over rows of several plans: the ids of the plans travel once, and each row says which of them it belongs to.
// Not here: the columns of the tables. A third of the bytes of a batch were the same ids again and again.
import type { PlanRef } from "../../domain/id.ts";
import { arrayLiteral } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";

/** A row of one of the plans that a statement names. */
export interface Placed<T> {
  /** Place of its plan among them, counted from 1 as Postgres counts. */
  readonly place: number;
  readonly it: T;
}

export interface PlacedStatement<T> {
  readonly text: string;
  readonly columns: readonly BulkColumn<T>[];
}

/** Org and plan of row `v`. */
const ORG = "($1::uuid[])[v.place]";
const PLAN = "($2::uuid[])[v.place]";

/**
 * The type of columns whose texts are never empty and mostly JSON. Such a column travels as one text with separators, not as an
 * array: quoting each quotation mark, and reading it again, took three times as long.
 */
export const TEXTS = "texts";

/** `unnest(…) AS v(place, …)`; parameters 1 and 2 are the ids, the last two of all the separator of texts and their NULL. */
function placedRows<T>(columns: readonly BulkColumn<T>[]): string {
  const last = columns.length + 4;
  const array = ({ type }: BulkColumn<T>, at: number): string =>
    type === TEXTS ? `string_to_array($${at}, $${last}, $${last + 1})` : `$${at}::${type}[]`;
  const arrays = ["$3::int[]", ...columns.map((c, i) => array(c, i + 4))].join(", ");
  return `unnest(${arrays}) AS v(${["place", ...columns.map((c) => c.name)].join(", ")})`;
}

/** `t.org_id = … AND t.plan_id = … AND …`: always the full key, so that a plan of another org never matches. */
export function placedMatch(alias: string, keys: readonly string[]): string {
  return [
    `${alias}.org_id = ${ORG}`,
    `${alias}.plan_id = ${PLAN}`,
    ...keys.map((key) => `${alias}.${key} = v.${key}`),
  ].join(" AND ");
}

export function placedInsert<T>(
  table: string,
  columns: readonly BulkColumn<T>[],
  tail = "",
  plan = "plan_id",
): PlacedStatement<T> {
  const names = columns.map((c) => c.name);
  const into = ["org_id", plan, ...names].join(", ");
  const values = [ORG, PLAN, ...names.map((name) => `v.${name}`)].join(", ");
  return {
    text: `INSERT INTO maestro.${table} (${into}) SELECT ${values} FROM ${placedRows(columns)} ${tail}`,
    columns,
  };
}

/** An insert of one row, of the first plan that is named, see placedValues: unnest makes it three times as dear where columns are many. */
export function placedOne<T>(
  table: string,
  columns: readonly BulkColumn<T>[],
  { plan = "plan_id", tail = "" } = {},
): PlacedStatement<T> {
  const into = ["org_id", plan, ...columns.map((c) => c.name)].join(", ");
  const values = ["($1::uuid[])[1]", "($2::uuid[])[1]", ...columns.map((c, i) => `$${i + 3}::${c.type}`)].join(", ");
  return { text: `INSERT INTO maestro.${table} (${into}) VALUES (${values}) ${tail}`, columns };
}

export function placedValues<T>(ids: PlaceIds, columns: readonly BulkColumn<T>[], row: T): unknown[] {
  return [...ids, ...columns.map((c) => c.value(row) ?? null)];
}

export function placedUpdate<T>(
  table: string,
  keys: readonly BulkColumn<T>[],
  changed: readonly BulkColumn<T>[],
): PlacedStatement<T> {
  const columns = [...keys, ...changed];
  const set = changed.map((c) => `${c.name} = v.${c.name}`).join(", ");
  const match = placedMatch(
    "t",
    keys.map((c) => c.name),
  );
  return { text: `UPDATE maestro.${table} t SET ${set} FROM ${placedRows(columns)} WHERE ${match}`, columns };
}

export function placedDelete<T>(table: string, keys: readonly BulkColumn<T>[]): PlacedStatement<T> {
  const match = placedMatch(
    "t",
    keys.map((c) => c.name),
  );
  return { text: `DELETE FROM maestro.${table} t USING ${placedRows(keys)} WHERE ${match}`, columns: keys };
}

/** `tail` joins with `v`, by `placedMatch`. */
export function placedSelect<T>(what: string, keys: readonly BulkColumn<T>[], tail: string): PlacedStatement<T> {
  return { text: `SELECT ${what} FROM ${placedRows(keys)} ${tail}`, columns: keys };
}

/** The first two parameters of all placed statements of a batch. */
export type PlaceIds = readonly [string, string];

export function placeIds(plans: readonly PlanRef[]): PlaceIds {
  return [
    arrayLiteral(
      "uuid",
      plans.map((p) => p.orgId),
    ),
    arrayLiteral(
      "uuid",
      plans.map((p) => p.planId),
    ),
  ];
}

export function placedArrays<T>(
  ids: PlaceIds,
  columns: readonly BulkColumn<T>[],
  rows: readonly Placed<T>[],
): string[] {
  const places = arrayLiteral(
    "int",
    rows.map((row) => row.place),
  );
  const valuesOf = (c: BulkColumn<T>): unknown[] => rows.map((row) => c.value(row.it));
  const texts = new Map(columns.flatMap((c) => (c.type === TEXTS ? [[c, valuesOf(c) as (string | null)[]]] : [])));
  const array = (c: BulkColumn<T>): string => arrayLiteral(c.type, valuesOf(c));
  if (texts.size === 0) return [...ids, places, ...columns.map(array)];
  const separator = separatorFor([...texts.values()]);
  // No text is this alone.
  const none = "\x1e";
  const joined = (column: readonly (string | null)[]): string => column.map((text) => text ?? none).join(separator);
  const parameter = (c: BulkColumn<T>): string => {
    const column = texts.get(c);
    return column === undefined ? array(c) : joined(column);
  };
  return [...ids, places, ...columns.map(parameter), separator, none];
}

/** A statement with the parameters that its rows make; the first two are the ids. */
export interface FilledStatement {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

const united = new Map<string, string>();
/** Texts of combinations that are kept; beyond that they are made anew. */
const UNITED_LIMIT = 256;

/**
 * One statement that does what several do that share their ids: each statement costs a bind, an answer and a wake-up on either
 * side. They see the rows as they were before all of them, so no two may change the same row.
 */
export function unite(statements: readonly FilledStatement[]): FilledStatement {
  const [first] = statements;
  if (first === undefined) throw new Error("nothing to unite");
  if (statements.length === 1) return first;
  const key = statements.map(({ text }) => text).join("\n");
  let text = united.get(key);
  if (text === undefined) {
    text = unitedText(statements);
    if (united.size < UNITED_LIMIT) united.set(key, text);
  }
  return { text, parameters: [...first.parameters, ...statements.slice(1).flatMap((s) => s.parameters.slice(2))] };
}

function unitedText(statements: readonly FilledStatement[]): string {
  let before = 0;
  const texts = statements.map(({ text, parameters }) => {
    const shift = before;
    before += parameters.length - 2;
    return text.replace(/\$(\d+)/g, (whole, digits) => (Number(digits) <= 2 ? whole : `$${Number(digits) + shift}`));
  });
  const last = texts.pop() ?? "";
  return `WITH ${texts.map((text, i) => `w${String(i)} AS (${text})`).join(", ")} ${last}`;
}

/** JSON holds no control characters; an address or a message may, and then something longer is found. */
function separatorFor(texts: readonly (readonly (string | null)[])[]): string {
  let separator = "\x1f";
  while (texts.some((column) => column.some((text) => text?.includes(separator) === true))) separator += "\x1e";
  return separator;
}
