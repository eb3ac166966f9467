// JSON Schemas (2020-12) of inputs and outputs: whether one may be used, and whether a value satisfies it. Schemas come from
// callers, so nothing in them may hold the thread or reach out. Not here: which values are checked, see plan/.
import { plan } from "@bufbuild/cel";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { canonicalText } from "../canonical.ts";
import { isObject, memberPath, parseJson } from "../json.ts";
import type { JsonObject } from "../json.ts";
import { environment, parseExpression } from "./language.ts";
import { Recent } from "./recent.ts";
import { counting, FOLLOWED, offence } from "./schema-rules.ts";

/** References followed in one check: references that fan out at every level would otherwise double the work with each. */
const FOLLOWED_LIMIT = 100_000;

export type SchemaCheck = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** Whether a schema may be used: JSON, 2020-12, compiles, refers to itself only, patterns that are matched in linear time (RE2). */
export function validateSchema(schemaText: string): SchemaCheck {
  const made = schemas.get(schemaText, make);
  return made.ok ? { ok: true } : made;
}

/** Whether a JSON text satisfies a schema that `validateSchema` let in. */
export function conforms(schemaText: string, valueText: string): SchemaCheck {
  const made = schemas.get(schemaText, make);
  if (!made.ok) return made;
  followed = 0;
  try {
    if (made.check(JSON.parse(valueText))) return { ok: true };
    return no(describe(made.check.errors?.[0]));
  } catch (error) {
    if (error instanceof TooMuch || error instanceof RangeError)
      return no("checking it takes too long: its references fan out");
    throw error;
  }
}

type Made = { readonly ok: true; readonly check: ValidateFunction } | { readonly ok: false; readonly message: string };
const schemas = new Recent<Made>(500);

class TooMuch extends Error {}
let followed = 0;

/** JavaScript's own engine may take exponential time; CEL brings one that cannot. */
function linearRegExp(pattern: string): { test(text: string): boolean; toString(): string } {
  const match = expression(`text.matches(${JSON.stringify(pattern)})`);
  if (match({ text: "" }) instanceof Error) throw new Error(`pattern ${JSON.stringify(pattern)} is not RE2`);
  // The compiler tells patterns apart by their text.
  return { test: (text) => match({ text }) === true, toString: () => pattern };
}
linearRegExp.code = "linearRegExp";

function expression(text: string): ReturnType<typeof plan> {
  const parsed = parseExpression(text);
  if (!parsed.ok) throw new Error(`a pattern ${parsed.problem}`);
  return plan(environment, parsed.parsed);
}

/** Schemas that one compiler takes: it keeps parts of each for ever, so that it must be let go from time to time. */
const COMPILER_LIMIT = 200;
let compiler = makeAjv();
let taken = 0;

function makeAjv(): Ajv2020 {
  const made = new Ajv2020({
    strict: false,
    allErrors: false,
    addUsedSchema: false,
    logger: false,
    validateSchema: true,
    messages: true,
    code: { regExp: linearRegExp },
  });
  addFormats.default(made, { mode: "fast" });
  // Compares canonical texts instead of every item with every other one.
  made.removeKeyword("uniqueItems");
  made.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    error: { message: "must not have the same item twice" },
    validate: (wanted: boolean, items: readonly unknown[]) =>
      !wanted || new Set(items.map(canonicalText)).size === items.length,
  });
  made.addKeyword({
    keyword: FOLLOWED,
    before: "$ref",
    schemaType: "boolean",
    validate: () => {
      if (++followed > FOLLOWED_LIMIT) throw new TooMuch();
      return true;
    },
  });
  return made;
}

function make(schemaText: string): Made {
  const parsed = parseJson(schemaText);
  if (!parsed.ok) return no(parsed.problem);
  if (++taken % COMPILER_LIMIT === 0) compiler = makeAjv();
  if (typeof parsed.value === "boolean") return { ok: true, check: compiler.compile(parsed.value) };
  if (!isObject(parsed.value)) return no("a schema is an object, true or false");
  const problem = offence(parsed.value);
  if (problem !== undefined) return no(problem);
  // Without an id of its own the compiler does not find what `#` refers to; the caller's might be one that it knows already.
  const schema = { ...(counting(parsed.value) as JsonObject), $id: "maestro:schema" };
  try {
    return { ok: true, check: compiler.compile(schema) };
  } catch (error) {
    return no(error instanceof Error ? error.message : "it does not compile");
  } finally {
    compiler.removeSchema(schema);
  }
}

function describe(error: ErrorObject | undefined): string {
  if (error === undefined) return "it does not satisfy its schema";
  const path = error.instancePath
    .split("/")
    .slice(1)
    .reduce(
      (at, name) =>
        /^\d+$/.test(name) ? `${at}[${name}]` : memberPath(at, name.replaceAll("~1", "/").replaceAll("~0", "~")),
      "",
    );
  const extra =
    error.keyword === "additionalProperties"
      ? ` (${JSON.stringify((error.params as { additionalProperty?: string }).additionalProperty)})`
      : "";
  return `${path === "" ? "the value" : path} ${error.message ?? "is wrong"}${extra}`;
}

function no(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}
