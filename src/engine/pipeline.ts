// Runs the eight stages, in order, for every operation on every surface. Not here: what a stage does, see the file named after it.
import type { IdMaker, OrgId, SessionId } from "../domain/id.ts";
import type { HandoverOfCall } from "../domain/plan/handover.ts";
import type { Principal } from "../domain/principal.ts";
import { RefusedError, refusal, refused } from "../domain/refusal.ts";
import type { Decision, Refusal } from "../domain/refusal.ts";
import type { PartPlace } from "../store/ports/contents.ts";
import { CommitUnknownError, StoreBusyError, StoreFullError, StoreUnavailableError } from "../store/ports/store.ts";
import type { Store, Tx } from "../store/ports/store.ts";
import type { Clock } from "../support/clock.ts";
import type { Random } from "../support/random.ts";
import type { Account } from "./account.ts";
import { isCounted } from "./admissions.ts";
import type { Admissions } from "./admissions.ts";
import { authorize } from "./authorize.ts";
import type { AdmitCall, Admitted, EngineCall, Together } from "./call.ts";
import { decode } from "./decode.ts";
import { createGroups } from "./group.ts";
import type { Identify } from "./identify.ts";
import { invoke } from "./invoke.ts";
import type { Invoked } from "./invoke.ts";
import { createLargeWorkPlaces } from "./large-work.ts";
import type { News, OperationContext } from "./operation.ts";
import { policy } from "./policy.ts";
import { carryTogether } from "./together.ts";
import type { Member } from "./together.ts";
import { createTransfers } from "./transfers.ts";
import type { Transfers } from "./transfers.ts";
import { treaty } from "./treaty.ts";

export interface PipelineOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly random: Random;
  readonly identify: Identify;
  readonly account: Account;
  /** The usual bounds unless given. */
  readonly transfers?: Transfers;
  readonly admissions: Admissions;
  /** This server's session; another one after a lapse. */
  readonly sessionId: () => SessionId;
  readonly storeEpoch: number;
  /** How long idempotency keys are kept. */
  readonly keyLifeMs: number;
  /** Hears after a commit what dispatch must know. */
  readonly committed: (news: News) => void;
  /** Reservations for one call of an operation. */
  readonly handover: (orgId: OrgId) => HandoverOfCall;
}

export interface Pipeline {
  /** All eight stages: an operation in one transaction. Store trouble is answered as UNAVAILABLE; anything else that is thrown is a bug. */
  run<Req, Res, Answer>(call: EngineCall<Req, Res, Answer>): Promise<Decision<Answer>>;
  /** Stages 1 to 6, for streams and calls whose effects the dispatcher's batches carry out and record. */
  admit<Req>(call: AdmitCall<Req>): Promise<Decision<Admitted<Req>>>;
  /** What the dispatcher does for an admitted call; its store trouble is answered alike. */
  trouble<T>(work: () => Promise<Decision<T>>): Promise<Decision<T>>;
  /** A read in the caller's org, for streams that have been admitted. */
  read<T>(principal: Principal, work: (tx: Tx) => Promise<T>, signal: AbortSignal): Promise<Decision<T>>;
  /** Bytes of content, for streams that have been admitted. */
  content(at: PartPlace, signal: AbortSignal): Promise<Decision<Uint8Array | undefined>>;
}

export function createPipeline(options: PipelineOptions): Pipeline {
  const { store, identify, account, admissions, transfers = createTransfers() } = options;
  const placesForLargeWork = createLargeWorkPlaces();
  const groups = createGroups();

  async function admit<Req>(call: AdmitCall<Req>): Promise<Decision<Admitted<Req>>> {
    const { method } = call;
    const operation = method.parts[0]?.operation ?? method.method;
    const decoded = await decode(call);
    // The caller is looked up even so: a bad shape is counted against whoever sent it.
    const identified = await identify.identify(call.caller);
    if (!identified.ok) {
      admissions.count({ address: call.caller.address }, operation, identified.refusal);
      return identified;
    }
    const principal = identified.value;
    const turnedAway = (refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } => {
      admissions.count(principal, operation, refusal);
      return { ok: false, refusal };
    };
    if (!decoded.ok) return turnedAway(decoded.refusal);
    const authorized = authorize(principal, method);
    if (!authorized.ok) return turnedAway(authorized.refusal);
    const treated = treaty();
    if (!treated.ok) return turnedAway(treated.refusal);
    const allowed = policy();
    if (!allowed.ok) return turnedAway(allowed.refusal);
    const notes = {
      identify: principal.keyId === null ? "local" : "key",
      authorize: "granted",
      treaty: treated.value,
      policy: allowed.value,
    };
    return { ok: true, value: { principal, request: decoded.value.request, key: decoded.value.key, notes } };
  }

  async function goTogether<Req, Res, Answer>(
    { operation, weight }: Together<Req, Res>,
    member: Member<Req, Res, Answer>,
  ): Promise<Invoked<Answer, Res>> {
    const { principal, request } = member.admitted;
    try {
      return await groups.join<Member<Req, Res, Answer>, Invoked<Answer, Res>>(
        `${principal.orgId} ${member.call.method.method}`,
        member,
        weight(request),
        (members) => carryTogether(options, operation, members),
        member.call.signal,
      );
    } catch (trouble) {
      // Too many wait already.
      if (trouble instanceof RefusedError) return { decision: { ok: false, refusal: trouble.refusal }, done: null };
      throw trouble;
    }
  }

  async function carryOut<Req, Res, Answer>(call: EngineCall<Req, Res, Answer>): Promise<Decision<Answer>> {
    const admitted = await admit(call);
    if (!admitted.ok) return admitted;
    const { principal, notes } = admitted.value;
    const place = account.enter(principal.orgId);
    if (!place.ok) {
      admissions.count(principal, call.method.parts[0]?.operation ?? call.method.method, place.refusal);
      return place;
    }
    const handover = options.handover(principal.orgId);
    const largeWork = placesForLargeWork(principal.orgId, call.signal);
    let share: (() => void) | undefined;
    let member: Member<Req, Res, Answer> | undefined;
    const release = (): void => {
      share?.();
      largeWork.end();
      handover.end();
      place.value();
    };
    const follow = ({ done }: Invoked<Answer, Res>): void => {
      if (done === null) return;
      done.afterCommit?.();
      handover.settle(done.leased ?? []);
      if (done.wake !== undefined || done.ready !== undefined || done.stops !== undefined) options.committed(done);
    };
    const byItself = async (work: Promise<Invoked<Answer, Res>>): Promise<Invoked<Answer, Res>> => {
      const invoked = await work;
      follow(invoked);
      return invoked;
    };
    try {
      if (call.contentBytes !== undefined) {
        const taken = await transfers.incoming(principal.orgId, call.contentBytes, call.signal);
        if (!taken.ok) {
          admissions.count(principal, call.method.parts[0]?.operation ?? call.method.method, taken.refusal);
          return taken;
        }
        share = taken.value;
      }
      const context: OperationContext = {
        principal,
        sessionId: options.sessionId(),
        storeEpoch: options.storeEpoch,
        ids: options.ids,
        random: options.random,
        traceparent: call.traceparent,
        signal: call.signal,
        stages: notes,
        handover,
        largeWork,
      };
      const alone = (): Promise<Invoked<Answer, Res>> => invoke(options, call, admitted.value, context, largeWork);
      if (call.together !== undefined && !call.dryRun)
        member = { call, admitted: admitted.value, context, alone, follow, underWay: undefined };
      const { decision } =
        call.together === undefined || member === undefined
          ? await byItself(alone())
          : await goTogether(call.together, member);
      if (!decision.ok && isCounted(decision.refusal)) {
        admissions.count(principal, call.method.parts[0]?.operation ?? call.method.method, decision.refusal);
      }
      return decision;
    } finally {
      // A caller may be gone while its group goes on: what it holds is held until the group is through.
      if (member?.underWay === undefined) release();
      else void member.underWay.then(release);
    }
  }

  return {
    run: (call) => answeringTrouble(() => carryOut(call)),
    admit: (call) => answeringTrouble(() => admit(call)),
    trouble: answeringTrouble,
    read: (principal, work, signal) =>
      answeringTrouble(async () => ({
        ok: true,
        value: await store.transaction([principal.orgId], work, {
          signal,
          readOnly: true,
          inTurn: true,
          oneMoment: true,
        }),
      })),
    content: (at, signal) => answeringTrouble(async () => ({ ok: true, value: await store.contents.get(at, signal) })),
  };
}

/** Turns store trouble into a refusal; everything else stays what it is. */
async function answeringTrouble<T>(work: () => Promise<Decision<T>>): Promise<Decision<T>> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreBusyError) return { ok: false, refusal: STORE_BUSY };
    if (error instanceof StoreFullError) return { ok: false, refusal: STORE_FULL };
    if (error instanceof StoreUnavailableError) return { ok: false, refusal: STORE_AWAY };
    if (error instanceof CommitUnknownError) {
      return refused(
        "UNAVAILABLE",
        "The connection to the store broke while the answer was on its way; whether it took effect is not known.",
        {
          rule: "store.commit",
          retryAfterMs: 1_000,
          remedy: "Repeat the request with an idempotency key, or look first.",
        },
      );
    }
    throw error;
  }
}

const STORE_BUSY = refusal("UNAVAILABLE", "Others hold what the call needs; nothing was changed.", {
  rule: "store.busy",
  retryAfterMs: 1_000,
  remedy: "Send it again.",
});
const STORE_FULL = refusal("UNAVAILABLE", "The disk of the database is full; nothing was changed.", {
  rule: "store.full",
  retryAfterMs: 10_000,
  remedy: "Make room on the database's disk; then send it again.",
});
const STORE_AWAY = refusal("UNAVAILABLE", "The store is away; nothing was changed.", {
  rule: "store.away",
  retryAfterMs: 1_000,
  remedy: "Send it again.",
});
