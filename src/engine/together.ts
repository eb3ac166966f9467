// Stage 7 for several calls of one org and operation, in one transaction: keys in bulk, one decision each, records in bulk. Not
// here: which calls go together (group.ts), and stage 7 of one call (invoke.ts), which does again what fails here.
import type { RecordDraft } from "../domain/record.ts";
import type { Decision, Refusal } from "../domain/refusal.ts";
import type { EarlierCall, FinishedCall, IdempotentCall } from "../store/ports/idempotency.ts";
import { CommitUnknownError, StoreBusyError, StoreUnavailableError } from "../store/ports/store.ts";
import type { Tx } from "../store/ports/store.ts";
import { isCounted } from "./admissions.ts";
import type { Admitted, EngineCall } from "./call.ts";
import type { Fate } from "./group.ts";
import { keptCall, keyConflict } from "./invoke.ts";
import type { Invoked, InvokeOptions } from "./invoke.ts";
import type { Done, GroupOperation, OperationContext } from "./operation.ts";
import { effectDraft, recordedAs, refusalDraft } from "./record.ts";

/** A call that goes with others. */
export interface Member<Req, Res, Answer> {
  readonly call: EngineCall<Req, Res, Answer>;
  readonly admitted: Admitted<Req>;
  readonly context: OperationContext;
  /** Stage 7 of this call by itself. */
  readonly alone: () => Promise<Invoked<Answer, Res>>;
  /** What is to happen once it is committed, whether its caller still waits or not. */
  readonly follow: (invoked: Invoked<Answer, Res>) => void;
  /** Settles when a group that it went with is through; undefined while it was in none. */
  underWay: Promise<void> | undefined;
}

/** Nothing went wrong, but each call is to go by itself. */
class AloneError extends Error {}

/** Carries a group out, and then what follows: callers may be gone by then, and what was committed is to be heard of all the same. */
export async function carryTogether<Req, Res, Answer>(
  options: InvokeOptions,
  operation: GroupOperation<Req, Res>,
  members: readonly Member<Req, Res, Answer>[],
): Promise<readonly Fate<Invoked<Answer, Res>>[]> {
  const through = Promise.withResolvers<undefined>();
  for (const member of members) member.underWay = through.promise;
  try {
    const fates = await invokeTogether(options, operation, members);
    return fates.map((fate, i) => {
      if (fate.kind !== "answer") return fate;
      try {
        members[i]?.follow(fate.answer);
        return fate;
      } catch (bug) {
        return { kind: "trouble", trouble: bug as Error };
      }
    });
  } finally {
    through.resolve(undefined);
  }
}

/**
 * Carries a group out. Whatever goes wrong with it as a whole, each call comes to what it would have come to by itself: calls are
 * done again one by one, unless the store is away, which changed nothing and is told to all.
 */
async function invokeTogether<Req, Res, Answer>(
  options: InvokeOptions,
  operation: GroupOperation<Req, Res>,
  members: readonly Member<Req, Res, Answer>[],
): Promise<readonly Fate<Invoked<Answer, Res>>[]> {
  const [first] = members;
  if (first === undefined) return [];
  const readOnly = !first.call.method.parts.some((part) => part.writes);
  try {
    return await options.store.transaction(
      [first.admitted.principal.orgId],
      (tx) => attempt(options, tx, operation, members, !readOnly),
      { readOnly, inTurn: true },
    );
  } catch (trouble) {
    const isAway = trouble instanceof StoreUnavailableError && !(trouble instanceof StoreBusyError);
    if (isAway) return members.map(() => ({ kind: "trouble", trouble }));
    return Promise.all(members.map((member) => oneByOne(member, trouble)));
  }
}

async function oneByOne<Req, Res, Answer>(
  { call, admitted, alone }: Member<Req, Res, Answer>,
  trouble: unknown,
): Promise<Fate<Invoked<Answer, Res>>> {
  // Whether the COMMIT took effect is not known, and without a key a repeat might be a second one.
  if (trouble instanceof CommitUnknownError && admitted.key === "") return { kind: "trouble", trouble };
  if (call.signal.aborted) return { kind: "trouble", trouble: call.signal.reason as Error };
  try {
    return { kind: "answer", answer: await alone() };
  } catch (own) {
    return { kind: "trouble", trouble: own as Error };
  }
}

type Begun = EarlierCall | { readonly kind: "again" };

/** What a call came to, before records and keys are written. */
interface Settled<Res, Answer> extends Invoked<Answer, Res> {
  /** What is to be written of it; null for nothing. */
  readonly record: RecordDraft | null;
  /** The key that its answer is kept under; null for none. */
  readonly kept: IdempotentCall | null;
}

async function attempt<Req, Res, Answer>(
  options: InvokeOptions,
  tx: Tx,
  operation: GroupOperation<Req, Res>,
  members: readonly Member<Req, Res, Answer>[],
  writes: boolean,
): Promise<readonly Fate<Invoked<Answer, Res>>[]> {
  const kept = members.map(({ call, admitted }) => (writes ? keptCall(call, admitted) : null));
  const begun = await begin(options, tx, kept);
  const fresh = members.filter((_, i) => begun[i]?.kind === "new");
  const decisions = await operation(
    tx,
    fresh.map(({ admitted, context }) => ({ request: admitted.request, context })),
  );
  const decisionOf = new Map(fresh.map((member, i) => [member, decisions[i]]));
  const settled = members.map((member, i) => {
    const earlier = begun[i];
    if (earlier !== undefined && earlier.kind !== "new") return settledBefore(member, earlier, kept[i] ?? null);
    const decision = decisionOf.get(member);
    if (decision === undefined) throw new Error("a group left a call undecided");
    return settledNow(member, decision, kept[i] ?? null, writes);
  });
  return finish(tx, members, settled);
}

function settledNow<Req, Res, Answer>(
  { call, admitted }: Member<Req, Res, Answer>,
  decision: Decision<Done<Res>>,
  kept: IdempotentCall | null,
  writes: boolean,
): Settled<Res, Answer> {
  if (!decision.ok) {
    // A refusal that time may lift is not a key's last word.
    if (kept !== null && decision.refusal.retryable) throw new AloneError();
    return { decision, done: null, record: writes ? recordOf(call, admitted, decision.refusal) : null, kept };
  }
  const done = decision.value;
  const record = writes && done.journal !== undefined ? effectDraft(done.journal, admitted.notes) : null;
  return { decision: { ok: true, value: call.answer(done.value) }, done, record, kept };
}

function settledBefore<Req, Res, Answer>(
  { call, admitted }: Member<Req, Res, Answer>,
  earlier: Exclude<Begun, { readonly kind: "new" }>,
  kept: IdempotentCall | null,
): Settled<Res, Answer> | null {
  switch (earlier.kind) {
    case "again":
      return null;
    case "answered":
      return { decision: { ok: true, value: call.read(earlier.answer) }, done: null, record: null, kept: null };
    case "refused": {
      const refusal = JSON.parse(earlier.refusal) as Refusal;
      return { decision: { ok: false, refusal }, done: null, record: null, kept: null };
    }
    case "conflict": {
      const refusal = keyConflict(kept?.key ?? "");
      const record = recordOf(call, admitted, refusal);
      return { decision: { ok: false, refusal }, done: null, record, kept: null };
    }
  }
}

function recordOf<Req, Res, Answer>(
  { method }: EngineCall<Req, Res, Answer>,
  { principal, notes }: Admitted<Req>,
  refusal: Refusal,
): RecordDraft | null {
  return isCounted(refusal) ? null : refusalDraft(principal, method, refusal, notes);
}

/** Writes records and keys; refusals learn the names of their records. */
async function finish<Req, Res, Answer>(
  tx: Tx,
  members: readonly Member<Req, Res, Answer>[],
  settled: readonly (Settled<Res, Answer> | null)[],
): Promise<readonly Fate<Invoked<Answer, Res>>[]> {
  const { principal, sessionId } = members[0]?.context ?? {};
  const drafts = settled.flatMap((one) => one?.record ?? []);
  const stored =
    drafts.length === 0 || principal === undefined || sessionId === undefined
      ? []
      : await tx.records.appendJournal(principal.orgId, sessionId, drafts, await tx.nowMs());
  const recordOf = new Map(drafts.map((draft, i) => [draft, stored[i]]));
  const finished: FinishedCall[] = [];
  const fates = settled.map((one, i): Fate<Invoked<Answer, Res>> => {
    if (one === null) return { kind: "again" };
    const { decision: first, done, record, kept } = one;
    const decision: Decision<Answer> = first.ok
      ? first
      : { ok: false, refusal: recordedAs(first.refusal, record === null ? undefined : recordOf.get(record)) };
    if (kept !== null) {
      const answer = decision.ok ? (members[i]?.call.encode(decision.value) ?? null) : null;
      finished.push({ call: kept, answer, refusal: decision.ok ? null : JSON.stringify(decision.refusal) });
    }
    return { kind: "answer", answer: { decision, done } };
  });
  await tx.idempotency.finishAll(finished);
  return fates;
}

/** What became of the keys' earlier calls. Of calls with one key the first begins it; the others find in the next group what it came to. */
async function begin(
  { clock, keyLifeMs }: InvokeOptions,
  tx: Tx,
  kept: readonly (IdempotentCall | null)[],
): Promise<readonly Begun[]> {
  const byName = Map.groupBy(
    kept.filter((call) => call !== null),
    ({ principal, key }) => `${principal}\0${key}`,
  );
  if (byName.size === 0) return kept.map(() => ({ kind: "new" }));
  const nowMs = clock.nowMs();
  const named = [...byName.values()];
  const earlier = await tx.idempotency.beginAll(
    named.flatMap(([first]) => first ?? []),
    nowMs,
    keyLifeMs,
  );
  const begun = new Map<IdempotentCall, Begun>();
  const repeats: IdempotentCall[] = [];
  for (const [i, [first, ...others]] of named.entries()) {
    const found = earlier[i];
    if (first === undefined || found === undefined) continue;
    begun.set(first, found);
    if (found.kind === "new") for (const other of others) begun.set(other, { kind: "again" });
    else repeats.push(...others);
  }
  const found = await tx.idempotency.peek(repeats, nowMs);
  for (const [i, call] of repeats.entries()) begun.set(call, found[i] ?? { kind: "again" });
  return kept.map((call) => (call === null ? { kind: "new" } : (begun.get(call) ?? { kind: "new" })));
}
