// Stage 3: what the caller may do. A composite needs every part's capability: it can do nothing that would be refused piece by piece.
import { grants } from "../domain/principal.ts";
import type { Principal } from "../domain/principal.ts";
import { refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { MethodSpec } from "./operation.ts";

export function authorize(principal: Principal, method: MethodSpec): Decision<null> {
  for (const { operation, capability } of method.parts) {
    if (grants(principal.grants, capability)) continue;
    return refused("CAPABILITY_MISSING", `${principal.name} may not ${operation}: it lacks ${capability}.`, {
      rule: operation,
      metadata: { capability },
      remedy: `Ask an administrator for ${capability}.`,
    });
  }
  return { ok: true, value: null };
}
