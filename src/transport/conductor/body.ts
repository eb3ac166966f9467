// Bodies: bounded in bytes and in time, JSON in UTF-8, and never unpacked. Not here: what is in them, see read.ts.
import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { invalid, refusal } from "../../domain/refusal.ts";
import type { Refusal } from "../../domain/refusal.ts";
import { MESSAGE_LIMIT_BYTES, tooLarge } from "../limits.ts";
import { REQUEST_MS, tooSlow } from "../patience.ts";
import { faultIn } from "./json-faults.ts";
import type { FieldError, Place } from "./read.ts";

/** Over HTTP/2 another class, which answers to the same calls. */
export type Incoming = IncomingMessage;

/** A body that cannot be read: how it is refused, with the status and the words for its sender where the tables have others. */
export interface Unreadable {
  readonly refusal: Refusal;
  readonly status?: number;
  readonly errors?: readonly FieldError[];
}

export type Body = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: Unreadable };

/** JSON of any kind, `application/problem+json` among it, in no other characters than UTF-8. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?$/i;

/** The body as a value. `optional`: none stands for an empty object. */
export async function readJson(request: Incoming, optional: boolean, withinMs = REQUEST_MS): Promise<Body> {
  const { headers } = request;
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity")
    return { ok: false, why: unsupported("content-encoding", "must be none: bodies are not unpacked") };
  const declared = Number(headers["content-length"] ?? "0");
  if (declared > MESSAGE_LIMIT_BYTES) return no(tooLarge(declared));
  const bytes = await readBytes(request, withinMs);
  if (!Buffer.isBuffer(bytes)) return { ok: false, why: bytes };
  if (bytes.length === 0) {
    if (optional) return { ok: true, value: {} };
    return malformed({ loc: ["body"], msg: "Field required", type: "missing", input: null });
  }
  if (!JSON_TYPE.test(headers["content-type"] ?? "")) return { ok: false, why: notJson() };
  if (!isUtf8(bytes)) return noJson(0, "Invalid UTF-8");
  const text = bytes.toString("utf8");
  const fault = faultIn(text);
  if (fault !== undefined) return noJson(fault.position, fault.error);
  return { ok: true, value: JSON.parse(text) as unknown };
}

/** All bytes, unless they are too many or too slow. Callbacks instead of an iterator: a third of its cost for a body of one piece. */
function readBytes(request: Incoming, withinMs: number): Promise<Buffer | Unreadable> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => settle({ refusal: tooSlow(withinMs), status: 408 }), withinMs);
    const settle = (value: Buffer | Unreadable): void => {
      clearTimeout(timer);
      request.off("data", take).off("end", done).off("close", gone).off("error", gone);
      // What is still under way is let run by: a sender that is not listened to does not hear its answer either.
      request.on("error", () => undefined).resume();
      resolve(value);
    };
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > MESSAGE_LIMIT_BYTES) settle({ refusal: tooLarge(null) });
      else chunks.push(chunk);
    };
    const done = (): void => {
      // A connection that is cut ends what came of a body over HTTP/2 as if it were all.
      if (request.aborted) {
        gone();
        return;
      }
      const [first] = chunks;
      settle(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size));
    };
    const gone = (): void => settle({ refusal: brokenOff(), status: 400 });
    request.on("data", take).on("end", done).on("close", gone).on("error", gone);
  });
}

function no(why: Refusal): Body {
  return { ok: false, why: { refusal: why } };
}

function malformed(...errors: readonly FieldError[]): Body {
  return { ok: false, why: { refusal: refusalOf(errors), errors } };
}

function noJson(position: number, error: string): Body {
  return malformed({ loc: ["body", position], msg: "JSON decode error", type: "json_invalid", ctx: { error } });
}

function unsupported(field: string, description: string): Unreadable {
  return { refusal: invalid({ field, description, rule: `http.${field}` }).refusal, status: 415 };
}

export function notJson(): Unreadable {
  return unsupported("content-type", "must be application/json in UTF-8: send content-type: application/json");
}

/** The same errors as a refusal, so that what reads refusals finds them too. */
export function refusalOf(errors: readonly FieldError[]): Refusal {
  return invalid(
    ...errors.map(({ loc, msg, type }) => ({ field: fieldOf(loc), description: msg, rule: `rest.${type}` })),
  ).refusal;
}

/** `tasks[0].name`, as violations name it; the body itself by its name. */
function fieldOf([within = "body", ...path]: Place): string {
  if (typeof path[0] !== "string") return String(within);
  return path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`)).join("");
}

function brokenOff(): Refusal {
  return refusal("INVALID_REQUEST", "The body broke off.", { rule: "http.body" });
}
