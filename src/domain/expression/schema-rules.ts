// What a JSON Schema from outside must not hold. Not here: compiling and checking, see schema.ts.
import { isObject, memberPath } from "../json.ts";
import type { JsonValue } from "../json.ts";

/** Longest regular expression in a schema. */
const PATTERN_LIMIT = 512;
const DIALECT = "https://json-schema.org/draft/2020-12/schema";
const REFERENCES = ["$ref", "$dynamicRef"] as const;
/** Keyword that counts the references which a check follows. */
export const FOLLOWED = "maestroFollowed";

/** What a schema must not hold. Members of `const`, `enum`, `default` and `examples` are values, no schemas. */
export function offence(value: JsonValue, path = "", root = true): string | undefined {
  if (Array.isArray(value))
    return first(value as readonly JsonValue[], (item, index) => offence(item, `${path}[${index}]`, false));
  if (!isObject(value)) return undefined;
  const where = path === "" ? "it" : path;
  for (const name of REFERENCES) {
    const target = value[name];
    if (typeof target === "string" && !target.startsWith("#"))
      return `${where} refers to ${target}; only references within the schema are followed`;
  }
  if (!root && typeof value["$id"] === "string") return `${where} has an $id of its own`;
  if (typeof value["$schema"] === "string" && value["$schema"].replace(/#$/, "") !== DIALECT)
    return `${where} is not of ${DIALECT}`;
  if (FOLLOWED in value) return `${where} has ${FOLLOWED}, which is not a keyword for schemas`;
  const patterns = [
    value["pattern"],
    ...(isObject(value["patternProperties"]) ? Object.keys(value["patternProperties"]) : []),
  ];
  const long = patterns.find((pattern) => typeof pattern === "string" && pattern.length > PATTERN_LIMIT);
  if (long !== undefined) return `${where} has a pattern longer than ${PATTERN_LIMIT} characters`;
  return first(Object.entries(value), ([name, item]) =>
    VALUES.has(name) ? undefined : offence(item, memberPath(path, name), false),
  );
}

const VALUES: ReadonlySet<string> = new Set(["const", "enum", "default", "examples"]);

/** The schema with a count beside every reference. */
export function counting(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(counting);
  if (!isObject(value)) return value;
  const members = Object.entries(value).map(([name, item]): [string, JsonValue] => [
    name,
    VALUES.has(name) ? item : counting(item),
  ]);
  // A property may be called $ref: only a text there is a reference.
  if (REFERENCES.some((name) => typeof value[name] === "string")) members.push([FOLLOWED, true]);
  return Object.fromEntries(members);
}

function first<T>(items: readonly T[], look: (item: T, index: number) => string | undefined): string | undefined {
  for (const [index, item] of items.entries()) {
    const found = look(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}
