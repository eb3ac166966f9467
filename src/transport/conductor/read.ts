// Bodies and queries as messages, read from the contract's descriptors as REST clients' model library reads them: what it takes, and
// what it says of what it does not take. Members that nobody knows are passed over. Not here: rules of values, which the engine judges.
import { ScalarType } from "@bufbuild/protobuf";
import type { DescEnum, DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { DEPENDENCY, asPairs } from "./dependencies.ts";
import { BARE_LIST, STRUCT, TIMESTAMP, enumWord, enumWords, isRequired } from "./shape.ts";
import { readTime } from "./times.ts";

export type Place = readonly (string | number)[];

/** What is wrong with one place of a request. */
export interface FieldError {
  readonly loc: Place;
  readonly msg: string;
  readonly type: string;
  readonly input?: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

type Found = FieldError[];
type Fields = Record<string, unknown>;
type ReadValue = (value: unknown, at: Place, found: Found) => unknown;
type Members = (given: Readonly<Fields>, at: Place, found: Found, into: Fields) => void;

/** Errors that are named in one answer. */
const NAMED = 100;

const compiled = new Map<string, Members>();

/** A message out of an object; `known` says what is not in the object itself, such as the id in the path. */
export function readMessage(
  schema: DescMessage,
  given: Readonly<Fields>,
  at: Place,
  found: Found,
  known: Readonly<Fields> = {},
): Message {
  const message: Fields = { $typeName: schema.typeName };
  membersOf(schema)({ ...given, ...known }, at, found, message);
  return message as unknown as Message;
}

function membersOf(schema: DescMessage): Members {
  const ready = compiled.get(schema.typeName);
  if (ready !== undefined) return ready;
  let members: readonly Members[] = [];
  const read: Members = (given, at, found, into) => {
    for (const member of members) member(given, at, found, into);
  };
  compiled.set(schema.typeName, read);
  members = schema.fields.map(memberOf);
  return read;
}

function memberOf(field: DescField): Members {
  const { name, localName } = field;
  const read = valueOf(field);
  const required = isRequired(field);
  const absent = absentOf(field);
  return (given, at, found, into) => {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (absent !== undefined) into[localName] = absent();
    if (value === undefined) {
      if (required) report(found, { loc: [...at, name], msg: "Field required", type: "missing" });
    } else if (value !== null || required) {
      const as = read(value, [...at, name], found);
      if (as !== undefined) into[localName] = as;
    }
  };
}

/** What a field is when nobody gives it; undefined for one that can be absent. */
function absentOf(field: DescField): (() => unknown) | undefined {
  if (field.fieldKind === "list") return () => [];
  if (field.fieldKind === "map") return () => ({});
  if (field.fieldKind === "message" || field.presence !== FeatureSet_FieldPresence.IMPLICIT) return undefined;
  if (field.fieldKind === "enum") return () => 0;
  if (field.scalar === ScalarType.STRING) return () => "";
  return field.scalar === ScalarType.BOOL ? () => false : () => 0;
}

function valueOf(field: DescField): ReadValue {
  switch (field.fieldKind) {
    case "scalar":
      return scalarOf(field.scalar);
    case "enum":
      return enumOf(field.enum);
    case "message":
      return messageOf(field.message);
    case "list":
      if (field.listKind === "message") {
        const read = listOf(messageOf(field.message));
        return field.message.typeName === DEPENDENCY ? (value, at, found) => read(asPairs(value), at, found) : read;
      }
      return listOf(field.listKind === "enum" ? enumOf(field.enum) : scalarOf(field.scalar));
    case "map":
      throw new Error(`no request of REST has a map such as ${field.name}`);
  }
}

function listOf(read: ReadValue): ReadValue {
  return (value, at, found) => {
    if (!Array.isArray(value)) return fail(found, at, value, "list_type", "Input should be a valid list");
    const list: unknown[] = [];
    for (let i = 0; i < value.length && found.length < NAMED; i++) {
      const entry = read(value[i], [...at, i], found);
      if (entry !== undefined) list.push(entry);
    }
    return list;
  };
}

function messageOf(schema: DescMessage): ReadValue {
  if (schema.typeName === STRUCT) {
    return (value, at, found) =>
      isObject(value) ? value : fail(found, at, value, "dict_type", "Input should be a valid dictionary");
  }
  if (schema.typeName === TIMESTAMP) {
    return (value, at, found) =>
      readTime(value) ??
      fail(
        found,
        at,
        value,
        typeof value === "string" ? "datetime_from_date_parsing" : "datetime_type",
        "Input should be a valid datetime or date, such as 2025-11-22T10:00:00Z",
      );
  }
  if (schema.typeName === BARE_LIST) {
    const read = listOf(scalarOf(ScalarType.STRING));
    return (value, at, found) => ({ $typeName: BARE_LIST, ids: read(value, at, found) });
  }
  return (value, at, found) => (isObject(value) ? readMessage(schema, value, at, found) : failObject(found, at, value));
}

export function failObject(found: Found, at: Place, value: unknown): undefined {
  const msg = "Input should be a valid dictionary or object to extract fields from";
  return fail(found, at, value, "model_attributes_type", msg);
}

function enumOf(desc: DescEnum): ReadValue {
  const numbers = new Map(desc.values.map(({ number }) => [enumWord(desc, number), number]));
  numbers.delete("");
  const words = enumWords(desc).map((word) => `'${word}'`);
  const last = words.at(-1) ?? "";
  const expected = words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${last}` : last;
  return (value, at, found) =>
    (typeof value === "string" ? numbers.get(value) : undefined) ??
    fail(found, at, value, "enum", `Input should be ${expected}`, { expected });
}

const TRUE = new Set<unknown>([1, "1", "true", "t", "yes", "y", "on"]);
const FALSE = new Set<unknown>([0, "0", "false", "f", "no", "n", "off"]);

function scalarOf(scalar: ScalarType): ReadValue {
  switch (scalar) {
    case ScalarType.STRING:
      return (value, at, found) =>
        typeof value === "string" ? value : fail(found, at, value, "string_type", "Input should be a valid string");
    case ScalarType.BOOL:
      return readBoolean;
    case ScalarType.DOUBLE:
      return readNumber;
    case ScalarType.INT32:
      return readInteger;
    default:
      throw new Error(`no request of REST has a scalar of kind ${scalar}`);
  }
}

function readBoolean(value: unknown, at: Place, found: Found): unknown {
  if (typeof value === "boolean") return value;
  const said = typeof value === "string" ? value.toLowerCase() : value;
  if (TRUE.has(said)) return true;
  if (FALSE.has(said)) return false;
  if (typeof value !== "string" && typeof value !== "number")
    return fail(found, at, value, "bool_type", "Input should be a valid boolean");
  return fail(found, at, value, "bool_parsing", "Input should be a valid boolean, unable to interpret input");
}

function readNumber(value: unknown, at: Place, found: Found): unknown {
  // Beyond what a double holds is Infinity here, and refused as such: nobody counts in it.
  if (typeof value === "number") return Number.isFinite(value) ? value : notFinite(value, at, found);
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "string") return fail(found, at, value, "float_type", "Input should be a valid number");
  const text = value.trim();
  if (/^[+-]?(inf|infinity|nan)$/i.test(text)) return notFinite(value, at, found);
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
  if (number === undefined) {
    const msg = "Input should be a valid number, unable to parse string as a number";
    return fail(found, at, value, "float_parsing", msg);
  }
  return Number.isFinite(number) ? number : notFinite(value, at, found);
}

export function readInteger(value: unknown, at: Place, found: Found): number | undefined {
  const number = typeof value === "string" && /^[+-]?\d+$/.test(value.trim()) ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  if (typeof value !== "string") return fail(found, at, value, "int_type", "Input should be a valid integer");
  const msg = "Input should be a valid integer, unable to parse string as an integer";
  return fail(found, at, value, "int_parsing", msg);
}

function notFinite(value: unknown, at: Place, found: Found): undefined {
  return fail(found, at, value, "finite_number", "Input should be a finite number");
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fail(
  found: Found,
  loc: Place,
  value: unknown,
  type: string,
  msg: string,
  ctx?: Readonly<Record<string, unknown>>,
): undefined {
  report(found, { loc, msg, type, ...echo(value), ...(ctx === undefined ? {} : { ctx }) });
}

/** What was given, where that is short: an answer is not to be as large as what it answers. */
export function echo(value: unknown): { readonly input?: unknown } {
  if (typeof value === "string") return value.length <= 256 ? { input: value } : {};
  if (typeof value === "number") return Number.isFinite(value) ? { input: value } : {};
  return typeof value === "boolean" || value === null ? { input: value } : {};
}

function report(found: Found, error: FieldError): void {
  if (found.length < NAMED) found.push(error);
}
