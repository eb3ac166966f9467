// JSON Schema for evidence: compiled once in each thread. Not here: the schemas.
import { Ajv } from "ajv";
import type { ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { EvidenceError } from "./unpack.ts";

/**
 * Beside it a compiler that finds equal items of an array by comparing each with each needs 8 s for 5,000 components; by their
 * texts it is 0.1 s.
 */
export function schemaCompiler(): Ajv {
  const ajv = new Ajv({ strict: false, addUsedSchema: false, logger: false });
  addFormats.default(ajv);
  // Neither has a checker of its own; both are free text in nearly all that is written.
  ajv.addFormat("iri-reference", true);
  ajv.addFormat("idn-email", true);
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    error: { message: "must NOT have duplicate items" },
    validate: (asked: boolean, items: readonly unknown[]) =>
      !asked || items.length < 2 || new Set(items.map(stableText)).size === items.length,
  });
  return ajv;
}

/** Equal values have equal texts, in whatever order their members came. Depth is bounded by whoever read them. */
function stableText(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(stableText).join()}]`;
  const object = value as Readonly<Record<string, unknown>>;
  return `{${Object.keys(object)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${stableText(object[name])}`)
    .join()}}`;
}

export function mustMatch(validate: ValidateFunction, value: unknown, what: string): void {
  if (validate(value)) return;
  const [first] = validate.errors ?? [];
  const where = first === undefined || first.instancePath === "" ? "" : ` at ${first.instancePath.slice(0, 200)}`;
  throw new EvidenceError(`it is no ${what}: ${first?.message ?? "it does not match its schema"}${where}`);
}
