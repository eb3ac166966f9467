// Stage 7: the operation, in one transaction with its idempotency key and its record. Not here: what the operation decides.
import { RefusedError, refused } from "../domain/refusal.ts";
import type { Decision, Refusal } from "../domain/refusal.ts";
import type { IdempotentCall } from "../store/ports/idempotency.ts";
import { CommitUnknownError } from "../store/ports/store.ts";
import type { Store, Tx } from "../store/ports/store.ts";
import type { Clock } from "../support/clock.ts";
import { isCounted } from "./admissions.ts";
import type { Admitted, EngineCall } from "./call.ts";
import type { LargeWorkOfCall } from "./large-work.ts";
import type { Done, Later, OperationContext } from "./operation.ts";
import { recordEffect, recordRefusal } from "./record.ts";

export interface InvokeOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly keyLifeMs: number;
}

export interface Invoked<Answer, Res> {
  readonly decision: Decision<Answer>;
  /** Null when the answer is an earlier one. */
  readonly done: Done<Res> | null;
}

export async function invoke<Req, Res, Answer>(
  options: InvokeOptions,
  call: EngineCall<Req, Res, Answer>,
  admitted: Admitted<Req>,
  context: OperationContext,
  largeWork: LargeWorkOfCall,
): Promise<Invoked<Answer, Res>> {
  const { principal } = admitted;
  const mayWrite = call.method.parts.some((part) => part.writes);
  const writes = mayWrite && !call.dryRun;
  const kept = writes ? keptCall(call, admitted) : null;
  const once = (): Promise<Invoked<Answer, Res> | Later<Res>> =>
    options.store.transaction([principal.orgId], (tx) => attempt(options, tx, call, admitted, context, kept, writes), {
      signal: call.signal,
      // A dry run writes nothing, but it locks what it looks at.
      readOnly: !mayWrite,
      inTurn: true,
      ...(call.oneMoment === true ? { oneMoment: true } : {}),
    });
  const run = async (): Promise<Invoked<Answer, Res>> => {
    const result = await largeWork.run(once);
    if (!("later" in result)) return result;
    const decision = await largeWork.run(result.later);
    return { decision: decision.ok ? { ok: true, value: call.answer(decision.value) } : decision, done: null };
  };
  try {
    return await run();
  } catch (error) {
    if (error instanceof RefusedError)
      return {
        decision: {
          ok: false,
          refusal: await recordApart(options.store, call, admitted, context, error.refusal, writes),
        },
        done: null,
      };
    // With a key the second try finds the first one's answer, if there is one.
    if (error instanceof CommitUnknownError && kept !== null) return run();
    throw error;
  }
}

/** What a write is kept as under its idempotency key; null without one. */
export function keptCall<Req, Res, Answer>(
  call: EngineCall<Req, Res, Answer>,
  { principal, key }: Admitted<Req>,
): IdempotentCall | null {
  if (key === "") return null;
  const { orgId, name } = principal;
  return { orgId, principal: name, key, operation: call.method.method, bodyDigest: call.bodyDigest() };
}

async function attempt<Req, Res, Answer>(
  { clock, keyLifeMs }: InvokeOptions,
  tx: Tx,
  call: EngineCall<Req, Res, Answer>,
  { principal, request, notes }: Admitted<Req>,
  context: OperationContext,
  kept: IdempotentCall | null,
  writes: boolean,
): Promise<Invoked<Answer, Res> | Later<Res>> {
  if (kept !== null) {
    // The transaction's own time is read after the locks, which come later; a key's life is a matter of hours.
    const earlier = await tx.idempotency.begin(kept, clock.nowMs(), keyLifeMs);
    if (earlier.kind === "answered") return { decision: { ok: true, value: call.read(earlier.answer) }, done: null };
    if (earlier.kind === "refused")
      return { decision: { ok: false, refusal: JSON.parse(earlier.refusal) as Refusal }, done: null };
    if (earlier.kind === "conflict") throw new RefusedError(keyConflict(kept.key));
  }
  const result = await call.operation(tx, request, context);
  if (!result.ok) {
    if (!writes) return { decision: result, done: null };
    // A refusal that time may lift is not the key's last word: roll the key back, and record the refusal apart.
    if (kept !== null && result.refusal.retryable) throw new RefusedError(result.refusal);
    const refusal = isCounted(result.refusal)
      ? result.refusal
      : await recordRefusal(tx, principal, context.sessionId, call.method, result.refusal, notes);
    if (kept !== null) await tx.idempotency.finish(kept, { refusal: JSON.stringify(refusal) });
    return { decision: { ok: false, refusal }, done: null };
  }
  const done = result.value;
  if ("later" in done) return done;
  if (writes && done.journal !== undefined) await recordEffect(tx, principal, context.sessionId, done.journal, notes);
  const answer = call.answer(done.value);
  if (kept !== null) await tx.idempotency.finish(kept, { answer: call.encode(answer) });
  return { decision: { ok: true, value: answer }, done };
}

/** Records a refusal whose transaction was rolled back. */
async function recordApart<Req, Res, Answer>(
  store: Store,
  call: EngineCall<Req, Res, Answer>,
  { principal, notes }: Admitted<Req>,
  context: OperationContext,
  refusal: Refusal,
  writes: boolean,
): Promise<Refusal> {
  if (!writes || isCounted(refusal)) return refusal;
  return store.transaction([principal.orgId], (tx) =>
    recordRefusal(tx, principal, context.sessionId, call.method, refusal, notes),
  );
}

export function keyConflict(key: string): Refusal {
  return refused("IDEMPOTENCY_CONFLICT", `The idempotency key ${key} was used with another request.`, {
    rule: "idempotency.body",
    metadata: { key },
    remedy: "Use a new key for a new request.",
  }).refusal;
}
