// Says of most good messages that they are good, at a tenth of what the validator takes: the plain rules of the contract (lengths,
// ranges, counts, presence) read from the descriptors and compiled once. Anything else is left to the validator, which also
// words every refusal: "not sure" is always a right answer here.
import { ScalarType, getOption, hasOption } from "@bufbuild/protobuf";
import type { DescEnum, DescField, DescMessage, DescOneof, Message } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { Duration } from "@bufbuild/protobuf/wkt";
import {
  Ignore,
  field as fieldRules,
  message as messageRules,
  oneof as oneofRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { FieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

type Fields = Record<string, unknown>;
/** True: it keeps the rules. False: it may not. */
type Test = (value: unknown) => boolean;

const UNSURE: Test = () => false;
const compiled = new Map<string, Test>();

export function isPlainlyValid(schema: DescMessage, message: Message): boolean {
  return testOf(schema)(message);
}

function testOf(schema: DescMessage): Test {
  const known = compiled.get(schema.typeName);
  if (known !== undefined) return known;
  let tests: readonly ((message: Fields) => boolean)[] = [];
  const test: Test = (message) => {
    for (const one of tests) if (!one(message as Fields)) return false;
    return true;
  };
  // Before its fields are looked at: a message may hold its own kind.
  compiled.set(schema.typeName, test);
  const rules = hasOption(schema, messageRules) ? getOption(schema, messageRules) : undefined;
  tests = [
    ...(rules === undefined || Object.keys(set(rules)).length === 0 ? [] : [UNSURE]),
    ...schema.fields.flatMap((field) => fieldTest(field) ?? []),
    ...schema.oneofs.flatMap((oneof) => oneofTest(oneof) ?? []),
  ];
  return test;
}

function oneofTest(oneof: DescOneof): ((message: Fields) => boolean) | undefined {
  if (!hasOption(oneof, oneofRules) || !getOption(oneof, oneofRules).required) return undefined;
  return (message) => (message[oneof.localName] as { readonly case?: string }).case !== undefined;
}

function fieldTest(field: DescField): ((message: Fields) => boolean) | undefined {
  const rules = hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
  const test = rules !== undefined && isOdd(rules) ? UNSURE : valueTest(field, rules);
  const required = rules?.required === true;
  if (test === undefined && !required) return undefined;
  const { localName, oneof } = field;
  if (oneof !== undefined) {
    return (message) => {
      const member = message[oneof.localName] as { readonly case?: string; readonly value?: unknown };
      return member.case === localName ? (test?.(member.value) ?? true) : !required;
    };
  }
  // What is always there is always judged; what is not, only when it is set.
  const always = field.presence === FeatureSet_FieldPresence.IMPLICIT && field.fieldKind !== "message";
  return (message) => {
    const value = message[localName];
    if (value === undefined) return !required && !always;
    if (required && field.fieldKind !== "message" && isZero(value)) return false;
    return test?.(value) ?? true;
  };
}

/** Rules beyond those that are read here. */
function isOdd({ cel, celExpression, ignore }: FieldRules): boolean {
  return cel.length > 0 || celExpression.length > 0 || ignore !== Ignore.UNSPECIFIED;
}

function isZero(value: unknown): boolean {
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length === 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === "" || value === 0 || value === 0n || value === false;
}

function valueTest(field: DescField, rules: FieldRules | undefined): Test | undefined {
  switch (field.fieldKind) {
    case "scalar":
      return scalarTest(field.scalar, rules);
    case "enum":
      return enumTest(field.enum, rules);
    case "message":
      return messageTest(field.message, rules);
    case "list":
      return listTest(field, rules);
    case "map":
      return mapTest(field, rules);
  }
}

/** The rules of a kind that are set; undefined for none, null for rules of another kind. */
function rulesOf(rules: FieldRules | undefined, kind: FieldRules["type"]["case"]): Fields | null | undefined {
  if (rules === undefined || rules.type.case === undefined) return undefined;
  return rules.type.case === kind ? set(rules.type.value) : null;
}

function set(rules: Message): Fields {
  const { $typeName: _, ...all } = rules as unknown as Fields;
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => {
      if (value === undefined || (Array.isArray(value) && value.length === 0)) return false;
      return !(typeof value === "object" && value !== null && "case" in value && value.case === undefined);
    }),
  );
}

/** A test made of the rules that are known by name; any other makes it unsure. */
function testBy(
  rules: Fields | null | undefined,
  known: Readonly<Record<string, (value: never) => Test>>,
): Test | undefined {
  if (rules === undefined) return undefined;
  if (rules === null) return UNSURE;
  const tests: Test[] = [];
  for (const [name, rule] of Object.entries(rules)) tests.push(known[name]?.(rule as never) ?? UNSURE);
  const [only] = tests;
  if (only === undefined) return undefined;
  return tests.length === 1 ? only : (value) => tests.every((test) => test(value));
}

const STRING = {
  minLen: (least: bigint) => (least === 1n ? (text: unknown) => text !== "" : UNSURE),
  maxLen: (most: bigint) => (text: unknown) => (text as string).length <= Number(most),
  maxBytes: (most: bigint) => {
    const limit = Number(most);
    return (text: unknown) => (text as string).length * 3 <= limit || Buffer.byteLength(text as string) <= limit;
  },
  pattern: (source: string) => {
    // Anchors, classes, groups and counts of plain characters mean the same to the validator's engine and to this one.
    if (!/^\^[\w[\](){}?*+|, -]*\$$/.test(source)) return UNSURE;
    const pattern = new RegExp(source, "u");
    return (text: unknown) => pattern.test(text as string);
  },
};

const bound =
  <T extends number | bigint>(holds: (value: T, limit: T) => boolean) =>
  (limit: { readonly value: T }) =>
  (value: unknown): boolean =>
    holds(value as T, limit.value);
// Bounds come as oneofs of which `case` says which side; a NaN keeps none of them.
const BOUNDS = {
  finite: (on: boolean) => (on ? (value: unknown) => Number.isFinite(value) : UNSURE),
  greaterThan: ({ case: side, value }: { readonly case: string; readonly value: number | bigint }) =>
    side === "gte" ? bound((v, l) => v >= l)({ value }) : bound((v, l) => v > l)({ value }),
  lessThan: ({ case: side, value }: { readonly case: string; readonly value: number | bigint }) =>
    side === "lte" ? bound((v, l) => v <= l)({ value }) : bound((v, l) => v < l)({ value }),
};

function scalarTest(scalar: ScalarType, rules: FieldRules | undefined): Test | undefined {
  switch (scalar) {
    case ScalarType.STRING:
      return testBy(rulesOf(rules, "string"), STRING);
    case ScalarType.BYTES:
      return testBy(rulesOf(rules, "bytes"), {
        minLen: (least: bigint) => (bytes) => (bytes as Uint8Array).length >= Number(least),
        maxLen: (most: bigint) => (bytes) => (bytes as Uint8Array).length <= Number(most),
      });
    case ScalarType.INT32:
      return inRange(rulesOf(rules, "int32"));
    case ScalarType.INT64:
      return inRange(rulesOf(rules, "int64"));
    case ScalarType.DOUBLE:
      return inRange(rulesOf(rules, "double"));
    default:
      return rules === undefined || rules.type.case === undefined ? undefined : UNSURE;
  }
}

function inRange(rules: Fields | null | undefined): Test | undefined {
  const limit = (name: string): number | bigint | undefined =>
    (rules?.[name] as { readonly value?: number | bigint } | undefined)?.value;
  return isTurned(limit("greaterThan"), limit("lessThan")) ? UNSURE : testBy(rules, BOUNDS);
}

/** Bounds that are turned round mean "outside of": left to the validator. */
function isTurned(least: number | bigint | undefined, most: number | bigint | undefined): boolean {
  return least !== undefined && most !== undefined && least > most;
}

function enumTest(desc: DescEnum, rules: FieldRules | undefined): Test | undefined {
  return testBy(rulesOf(rules, "enum"), {
    definedOnly: (on: boolean) => (on ? (value) => desc.value[value as number] !== undefined : UNSURE),
    notIn: (not: readonly number[]) => (value) => !not.includes(value as number),
  });
}

function messageTest(schema: DescMessage, rules: FieldRules | undefined): Test | undefined {
  if (schema.typeName === "google.protobuf.Duration") {
    const own = rulesOf(rules, "duration");
    const [least, most] = ["greaterThan", "lessThan"].map(
      (name) => (own?.[name] as { readonly value: Duration } | undefined)?.value,
    );
    return least !== undefined && most !== undefined && compare(least, most) > 0
      ? UNSURE
      : testBy(own, { greaterThan: durationBound, lessThan: durationBound });
  }
  if (rules !== undefined && rules.type.case !== undefined) return UNSURE;
  if (schema.typeName.startsWith("google.protobuf.")) return undefined;
  return testOf(schema);
}

function durationBound({ case: side, value: limit }: { readonly case: string; readonly value: Duration }): Test {
  const beyond = (duration: unknown): number => compare(duration as Duration, limit);
  switch (side) {
    case "gte":
      return (duration) => beyond(duration) >= 0;
    case "gt":
      return (duration) => beyond(duration) > 0;
    case "lte":
      return (duration) => beyond(duration) <= 0;
    default:
      return (duration) => beyond(duration) < 0;
  }
}

/** Below, at or above zero; NaN for a duration whose parts contradict each other: it is nobody's plain one. */
function compare({ seconds, nanos }: Duration, limit: Duration): number {
  if (Math.abs(nanos) >= 1e9 || (nanos !== 0 && seconds !== 0n && nanos > 0 !== seconds > 0n)) return Number.NaN;
  return seconds === limit.seconds ? nanos - limit.nanos : seconds < limit.seconds ? -1 : 1;
}

function listTest(field: DescField & { readonly fieldKind: "list" }, rules: FieldRules | undefined): Test | undefined {
  const { items: _, ...own } = rulesOf(rules, "repeated") ?? {};
  const itemRules = rules?.type.case === "repeated" ? rules.type.value.items : undefined;
  if (itemRules !== undefined && (isOdd(itemRules) || itemRules.required)) return UNSURE;
  const size = testBy(own, {
    minItems: (least: bigint) => (list) => (list as readonly unknown[]).length >= Number(least),
    maxItems: (most: bigint) => (list) => (list as readonly unknown[]).length <= Number(most),
  });
  const item =
    field.listKind === "message"
      ? messageTest(field.message, itemRules)
      : field.listKind === "enum"
        ? enumTest(field.enum, itemRules)
        : scalarTest(field.scalar, itemRules);
  if (size === undefined && item === undefined) return undefined;
  return (value) => {
    const list = value as readonly unknown[];
    return (size?.(list) ?? true) && (item === undefined || list.every((one) => item(one)));
  };
}

function mapTest(field: DescField & { readonly fieldKind: "map" }, rules: FieldRules | undefined): Test | undefined {
  const own = rules?.type.case === "map" ? rules.type.value : undefined;
  const { keys: _k, values: _v, ...counts } = rulesOf(rules, "map") ?? {};
  for (const one of [own?.keys, own?.values]) if (one !== undefined && (isOdd(one) || one.required)) return UNSURE;
  if (field.mapKey !== ScalarType.STRING) return UNSURE;
  const size = testBy(counts, {
    minPairs: (least: bigint) => (count) => (count as number) >= Number(least),
    maxPairs: (most: bigint) => (count) => (count as number) <= Number(most),
  });
  const key = scalarTest(field.mapKey, own?.keys);
  const member =
    field.mapKind === "message"
      ? messageTest(field.message, own?.values)
      : field.mapKind === "enum"
        ? enumTest(field.enum, own?.values)
        : scalarTest(field.scalar, own?.values);
  return (value) => {
    const entries = Object.entries(value as Fields);
    return (
      (size?.(entries.length) ?? true) &&
      entries.every(([name, one]) => (key?.(name) ?? true) && (member?.(one) ?? true))
    );
  };
}
