// Stage 5: policies of the charter. No charter can hold one yet; the record says so.
import type { Decision } from "../domain/refusal.ts";

export function policy(): Decision<string> {
  return { ok: true, value: "no rules" };
}
