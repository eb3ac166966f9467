// Keeps idempotency keys with the batch that carries their effects. Not here: keys of other calls, see idempotency.ts.
import type { BatchKey } from "../ports/batches.ts";
import { arraysOf, insertText } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import type { Run } from "./write-changes.ts";

const KEYS: readonly BulkColumn<BatchKey & { readonly nowMs: number }>[] = [
  { name: "org_id", type: "uuid", value: (k) => k.call.orgId },
  { name: "principal", type: "text", value: (k) => k.call.principal },
  { name: "key", type: "text", value: (k) => k.call.key },
  { name: "operation", type: "text", value: (k) => k.call.operation },
  { name: "body_digest", type: "bytea", value: (k) => k.call.bodyDigest },
  { name: "answer", type: "bytea", value: (k) => k.answer },
  { name: "created_ms", type: "bigint", value: (k) => k.nowMs },
  { name: "expires_ms", type: "bigint", value: (k) => k.nowMs + k.lifetimeMs },
];
// A key that has expired is free again.
const EXPIRED =
  "ON CONFLICT (org_id, principal, key) DO UPDATE SET operation = excluded.operation, body_digest = excluded.body_digest, answer = excluded.answer, refusal = NULL, created_ms = excluded.created_ms, expires_ms = excluded.expires_ms WHERE idempotency_keys.expires_ms <= excluded.created_ms";
const KEYS_TEXT = {
  exclusive: insertText("idempotency_keys", KEYS),
  other: insertText("idempotency_keys", KEYS, EXPIRED),
};

/** Keeps idempotency keys with the batch that carries their effects. */
export function sendKeys(run: Run, keys: readonly BatchKey[], nowMs: number): PromiseLike<unknown>[] {
  return [true, false].flatMap((exclusive) => {
    const rows = keys.filter((k) => k.exclusive === exclusive).map((k) => ({ ...k, nowMs }));
    return rows.length === 0 ? [] : [run(exclusive ? KEYS_TEXT.exclusive : KEYS_TEXT.other, arraysOf(KEYS, rows))];
  });
}
