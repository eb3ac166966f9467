// Idempotency keys. Not here: which answers are kept, which is the engine's.
import type { EarlierCall, FinishedCall, IdempotencyRepository, IdempotentCall } from "../ports/idempotency.ts";
import { arraysOf } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import type { Session } from "./transaction.ts";

interface Kept {
  readonly operation: string;
  readonly body_digest: Uint8Array;
  readonly answer: Uint8Array | null;
  readonly refusal: string | null;
}

// Lock: the key's row, and before it exists its place in the unique index; a second inserter waits there for the first one's
// end. An expired row is taken over in place; its lock is held like a new one's.
const TAKE_OVER =
  "ON CONFLICT (org_id, principal, key) DO UPDATE SET operation = excluded.operation, body_digest = excluded.body_digest, answer = NULL, refusal = NULL, " +
  "created_ms = excluded.created_ms, expires_ms = excluded.expires_ms WHERE k.expires_ms <= excluded.created_ms";
const BEGIN =
  "INSERT INTO maestro.idempotency_keys AS k (org_id, principal, key, operation, body_digest, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) " +
  `${TAKE_OVER} RETURNING 1`;
// The rows are locked in the order they are given in, which is that of their names.
const BEGIN_ALL =
  "INSERT INTO maestro.idempotency_keys AS k (org_id, principal, key, operation, body_digest, created_ms, expires_ms) " +
  "SELECT org_id, principal, key, operation, body_digest, $6, $7 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[]) AS v(org_id, principal, key, operation, body_digest) " +
  `${TAKE_OVER} RETURNING principal, key`;
const READ =
  "SELECT operation, body_digest, answer, refusal FROM maestro.idempotency_keys WHERE org_id = $1 AND principal = $2 AND key = $3";
const KEYS: readonly BulkColumn<IdempotentCall>[] = [
  { name: "org_id", type: "uuid", value: (call) => call.orgId },
  { name: "principal", type: "text", value: (call) => call.principal },
  { name: "key", type: "text", value: (call) => call.key },
];
const BEGUN: readonly BulkColumn<IdempotentCall>[] = [
  ...KEYS,
  { name: "operation", type: "text", value: (call) => call.operation },
  { name: "body_digest", type: "bytea", value: (call) => call.bodyDigest },
];
const FINISHED: readonly BulkColumn<FinishedCall>[] = [
  ...KEYS.map(({ name, type, value }) => ({ name, type, value: ({ call }: FinishedCall) => value(call) })),
  { name: "answer", type: "bytea", value: ({ answer }) => answer },
  { name: "refusal", type: "text", value: ({ refusal }) => refusal },
];
const FINISH_ALL =
  "UPDATE maestro.idempotency_keys k SET answer = v.answer, refusal = v.refusal FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[]) AS v(org_id, principal, key, answer, refusal) " +
  "WHERE k.org_id = v.org_id AND k.principal = v.principal AND k.key = v.key";
const PEEK =
  "SELECT v.place, k.operation, k.body_digest, k.answer, k.refusal FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS v(org_id, principal, key, place) " +
  "JOIN maestro.idempotency_keys k USING (org_id, principal, key) WHERE k.expires_ms > $4";
const FINISH =
  "UPDATE maestro.idempotency_keys SET answer = $4, refusal = $5 WHERE org_id = $1 AND principal = $2 AND key = $3";

export function createIdempotencyRepository({ run, send }: Session): IdempotencyRepository {
  const repository: IdempotencyRepository = {
    begin: async (call, nowMs, lifetimeMs) => {
      const place = [call.orgId, call.principal, call.key];
      const made = await run(BEGIN, [...place, call.operation, call.bodyDigest, nowMs, nowMs + lifetimeMs]);
      if (made.length === 1) return { kind: "new" };
      // A statement of its own: the one that waited returns what was there before its wait.
      const [kept] = await run<Kept>(READ, place);
      if (kept === undefined) throw new Error("an idempotency key vanished under its lock");
      return answerOf(kept, call.operation, call.bodyDigest);
    },
    beginAll: async (calls, nowMs, lifetimeMs) => {
      const places = calls.map((_, i) => i).sort((a, b) => compare(calls[a], calls[b]));
      const inOrder = places.flatMap((place) => calls[place] ?? []);
      const begun = await run<{ readonly principal: string; readonly key: string }>(BEGIN_ALL, [
        ...arraysOf(BEGUN, inOrder),
        nowMs,
        nowMs + lifetimeMs,
      ]);
      const made = new Set(begun.map(nameOf));
      const kept = calls.filter((call) => !made.has(nameOf(call)));
      const earlier = new Map((await repository.peek(kept, nowMs)).map((found, i) => [kept[i], found]));
      return calls.map((call) => {
        if (made.has(nameOf(call))) return { kind: "new" };
        const found = earlier.get(call);
        if (found === undefined || found.kind === "new") throw new Error("an idempotency key vanished under its lock");
        return found;
      });
    },
    peek: async (calls, nowMs) => {
      if (calls.length === 0) return [];
      const rows = await run<Kept & { readonly place: number }>(PEEK, [...arraysOf(KEYS, calls), nowMs]);
      const kept = new Map(rows.map((row) => [row.place, row]));
      return calls.map((call, i) => {
        const row = kept.get(i + 1);
        return row === undefined ? { kind: "new" } : answerOf(row, call.operation, call.bodyDigest);
      });
    },
    finish: async (call, result) => {
      const [answer, refusal] = "answer" in result ? [result.answer, null] : [null, result.refusal];
      send(FINISH, [call.orgId, call.principal, call.key, answer, refusal]);
    },
    finishAll: async (results) => {
      if (results.length > 0) send(FINISH_ALL, arraysOf(FINISHED, results));
    },
  };
  return repository;
}

function nameOf({ principal, key }: Pick<IdempotentCall, "principal" | "key">): string {
  return `${principal}\0${key}`;
}

function compare(a: IdempotentCall | undefined, b: IdempotentCall | undefined): number {
  if (a === undefined || b === undefined) return 0;
  const [left, right] = [nameOf(a), nameOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function answerOf(kept: Kept, operation: string, bodyDigest: Uint8Array): EarlierCall {
  if (kept.operation !== operation || Buffer.compare(kept.body_digest, bodyDigest) !== 0) return { kind: "conflict" };
  if (kept.answer !== null) return { kind: "answered", answer: kept.answer };
  if (kept.refusal !== null) return { kind: "refused", refusal: kept.refusal };
  // Its transaction ended without an answer, which never commits the key: the key stands for the same call begun twice.
  throw new Error("an idempotency key was begun twice in one transaction");
}
