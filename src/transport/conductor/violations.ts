// Violations of the contract's rules in the words of REST clients' model library: where, what, and a type that programs look at.
import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { Refusal, Violation } from "../../domain/refusal.ts";
import { validate } from "../validate.ts";
import { echo } from "./read.ts";
import type { FieldError, Place } from "./read.ts";

/** What was asked, for errors that say where and what it was. */
export interface Asked {
  /** `body` or `query`. */
  readonly within: "body" | "query";
  readonly given: unknown;
}

export function fieldErrors({ reason, explanation, violations }: Refusal, asked: Asked): readonly FieldError[] {
  if (reason === "CYCLE") return [{ loc: ["body", "dependencies"], msg: explanation, type: "cycle" }];
  return violations.map((violation) => fieldError(violation, asked));
}

/** Errors of shape, and the rules that the rest breaks: whoever mends a request wants to hear of all at once. */
export function alsoBroken(
  schema: DescMessage,
  message: Message,
  errors: readonly FieldError[],
  asked: Asked,
): readonly FieldError[] {
  const judged = validate(schema, message);
  if (judged.ok) return errors;
  const known = new Set(errors.map(({ loc }) => loc[1]));
  return [
    ...errors,
    ...fieldErrors(judged.refusal, asked).filter(({ loc }) => loc[0] === "body" && !known.has(loc[1])),
  ];
}

function fieldError({ field, description, rule }: Violation, { within, given }: Asked): FieldError {
  const path = placeOf(field);
  const [top] = path;
  if (top === "idempotency_key") return { loc: ["header", "Idempotency-Key"], ...said(description, rule, undefined) };
  if (top === "content-type" || top === "content-encoding")
    return { loc: ["header", field], msg: description, type: rule };
  const loc: Place = [top === "id" ? "path" : within, ...path];
  const value = path.reduce<unknown>(member, given);
  return { loc, ...said(description, rule, value), ...(rule === SECRET ? {} : echo(value)) };
}

function member(value: unknown, name: string | number): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string | number, unknown>>)[name];
}

/** `tasks[0].name` as its parts; a list that is bare here is `ids` of a message there. */
function placeOf(field: string): Place {
  const parts = [...field.matchAll(/([^.[\]"]+)|\["((?:[^"\\]|\\.)*)"\]/g)].map(([, plain, quoted]) =>
    plain !== undefined && /^\d+$/.test(plain) ? Number(plain) : (plain ?? quoted ?? ""),
  );
  return parts.filter((part, index) => !(index === 1 && part === "ids"));
}

/** Its value is not said again. */
const SECRET = "artifact.credentials";

type Said = Pick<FieldError, "msg" | "type" | "ctx">;

function said(description: string, rule: string, value: unknown): Said {
  // A bound of one is said without its number.
  const [first = "1", second = first] = description.match(/-?\d+(?:\.\d+)?/g) ?? [];
  switch (rule) {
    case "string.min_len":
      return {
        type: "string_too_short",
        msg: `String should have at least ${first} character${first === "1" ? "" : "s"}`,
        ctx: { min_length: Number(first) },
      };
    case "string.max_bytes":
      return { type: "string_too_long", msg: `String should have at most ${first} bytes` };
    case "string.pattern":
      return { type: "string_pattern_mismatch", msg: sentence(description) };
    case "repeated.max_items":
      return { type: "too_long", msg: `List should have at most ${first} items`, ctx: { max_length: Number(first) } };
    case "repeated.min_items":
      return {
        type: "too_short",
        msg: `List should have at least ${first} item${first === "1" ? "" : "s"}`,
        ctx: { min_length: Number(first) },
      };
    case "double.gte_lte":
      return Number(value) < Number(first)
        ? {
            type: "greater_than_equal",
            msg: `Input should be greater than or equal to ${first}`,
            ctx: ctx("ge", first),
          }
        : { type: "less_than_equal", msg: `Input should be less than or equal to ${second}`, ctx: ctx("le", second) };
    case "double.finite":
      return { type: "finite_number", msg: "Input should be a finite number" };
    default:
      return { type: "value_error", msg: `Value error, ${description}`, ctx: { error: rule } };
  }
}

function ctx(name: string, limit: string): Readonly<Record<string, unknown>> {
  return { [name]: Number(limit) };
}

function sentence(description: string): string {
  return description.slice(0, 1).toUpperCase() + description.slice(1);
}
