// Stage 4: calls across orgs. A credential names one org and there are no treaties yet, so nothing can cross; the record says so.
import type { Decision } from "../domain/refusal.ts";

export function treaty(): Decision<string> {
  return { ok: true, value: "no rules" };
}
