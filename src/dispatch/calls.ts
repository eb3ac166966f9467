// Calls of executors that have no stream: next, report, renew. Not here: streams, see streams.ts.
import type { Executor } from "../domain/executor.ts";
import { GATEKEEPER } from "../domain/gate.ts";
import type { ExecutorId } from "../domain/id.ts";
import type { Assignment, LeaseRef, Outcome, Receipt } from "../domain/outcome.ts";
import { payloadText } from "../domain/payload.ts";
import type { Principal } from "../domain/principal.ts";
import { decided, refused } from "../domain/refusal.ts";
import type { Decision, Refusal } from "../domain/refusal.ts";
import type { BatchKey } from "../store/ports/batches.ts";
import type { IdempotentCall } from "../store/ports/idempotency.ts";
import type { CallKey, NextCall, Renewed, RenewalReport, Reporter } from "./dispatcher.ts";
import { BUG } from "./items.ts";
import type { RenewState } from "./items.ts";
import { KEY_LIFETIME_MS, KeyBook } from "./keys.ts";
import { pushOutcome, takeProgress } from "./parts.ts";
import type { Parts } from "./parts.ts";
import { PullCall } from "./pull.ts";

const AWAY: Decision<never> = refused("UNAVAILABLE", "The store is away.", { retryAfterMs: 1_000 });

/** Gates are performed inside: nobody says from outside what came of one. */
const NOT_YOURS: Decision<never> = refused("EXECUTOR_UNFIT", "This id is Maestro's own, and no executor's.", {
  metadata: { executor_id: GATEKEEPER },
});

/** Times that a call under a key is begun: after the first one that another server was quicker with, it finds the answer. */
const KEY_TRIES = 3;

export class Calls {
  readonly #parts: Parts;
  readonly #keys: KeyBook;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#keys = new KeyBook(parts.options.store, parts.options.clock, parts.timers);
  }

  async next(call: NextCall, signal: AbortSignal): Promise<Decision<readonly Assignment[]>> {
    if (this.#parts.draining) return refused("DRAINING", "The server is going down.", { retryAfterMs: 200 });
    if (this.#parts.batcher.storeIsAway) return AWAY;
    const executor = await this.#parts.executors.find(call.principal.orgId, call.executorId);
    if (executor === undefined)
      return refused("EXECUTOR_UNFIT", "The executor is not registered.", {
        metadata: { executor_id: call.executorId },
      });
    if (executor.state === "DRAINING")
      return refused("EXECUTOR_UNFIT", "The executor is draining.", { metadata: { executor_id: call.executorId } });
    this.#parts.executors.seen(executor);
    await this.#parts.feed.demandsOf(executor.orgId);
    if (call.idempotency === null) {
      const given = await this.#pull(executor, call, null, signal);
      return given === "look again" ? AWAY : decided(given);
    }
    const key = callOf(call.principal, call.idempotency, "dispatch.next");
    return await this.#keys.with(key, async (first) => {
      let earlier = first;
      for (let tries = 0; tries < KEY_TRIES; tries++) {
        if (earlier.kind === "conflict") return KEY_CONFLICT(key.key);
        if (earlier.kind === "answered") return decided(await this.#recall(executor, call, earlier.answer));
        const given = await this.#pull(executor, call, key, signal);
        if (given !== "look again") return decided(given);
        earlier = await this.#keys.peek(key);
      }
      return AWAY;
    });
  }

  async #pull(
    executor: Executor,
    call: NextCall,
    key: IdempotentCall | null,
    signal: AbortSignal,
  ): Promise<readonly Assignment[] | "look again"> {
    const pull = new PullCall(executor, call, this.#parts.timers, () => {
      this.#parts.takers.remove(pull.taker);
    });
    if (key !== null)
      pull.taker.keyFor = (leases) => ({
        call: key,
        answer: Buffer.from(JSON.stringify(leases)),
        lifetimeMs: KEY_LIFETIME_MS,
        exclusive: true,
      });
    this.#parts.takers.add(pull.taker);
    this.#parts.feed.refillSoon(pull.taker);
    this.#parts.batcher.poke();
    const given = await pull.wait(signal);
    return pull.isDoubtful ? "look again" : given;
  }

  /** A repeat is answered with those of its leases that still stand. */
  async #recall(executor: Executor, call: NextCall, answer: Uint8Array): Promise<readonly Assignment[]> {
    const leases = JSON.parse(Buffer.from(answer).toString()) as readonly LeaseRef[];
    const pull = new PullCall(executor, { ...call, waitMs: 0 }, this.#parts.timers, () => undefined);
    for (const lease of leases) {
      pull.taker.reserve();
      this.#parts.batcher.push({
        kind: "claim",
        orgId: executor.orgId,
        planId: lease.planId,
        deferrals: 0,
        ordinal: lease.ordinal,
        taker: pull.taker,
        handover: false,
        recall: lease.fencing,
      });
    }
    const assignments = pull.wait(new AbortController().signal);
    pull.close();
    return await assignments;
  }

  async report(
    by: Reporter,
    executorId: ExecutorId,
    outcomes: readonly Outcome[],
    idempotency: CallKey | null,
    signal: AbortSignal,
  ): Promise<Decision<readonly Decision<Receipt>[]>> {
    if (this.#parts.batcher.storeIsAway) return AWAY;
    if (executorId === GATEKEEPER) return NOT_YOURS;
    if (idempotency === null) return decided(await this.#reportAll(by, executorId, outcomes, undefined, signal));
    const call = callOf(by.principal, idempotency, "outcome.report");
    // An outcome's own identity answers a repeat; the key only tells another body.
    return await this.#keys.with(call, async (earlier) =>
      earlier.kind === "conflict"
        ? KEY_CONFLICT(call.key)
        : decided(
            await this.#reportAll(
              by,
              executorId,
              outcomes,
              earlier.kind === "new"
                ? { call, answer: new Uint8Array(0), lifetimeMs: KEY_LIFETIME_MS, exclusive: false }
                : undefined,
              signal,
            ),
          ),
    );
  }

  async #reportAll(
    by: Reporter,
    executorId: ExecutorId,
    outcomes: readonly Outcome[],
    key: BatchKey | undefined,
    signal: AbortSignal,
  ): Promise<readonly Decision<Receipt>[]> {
    const results = await Promise.all(
      outcomes.map(
        async (outcome) =>
          await new Promise<Decision<Receipt>>((resolve) => {
            const givenUp = (): void => {
              resolve(
                refused("UNAVAILABLE", "The call ended before its outcome was durable; report it again.", {
                  retryAfterMs: 500,
                }),
              );
            };
            // Called off before it began: nobody would hear that it is durable.
            if (signal.aborted) {
              givenUp();
              return;
            }
            signal.addEventListener("abort", givenUp, { once: true });
            pushOutcome(this.#parts, by, executorId, outcome, key, (result) => {
              signal.removeEventListener("abort", givenUp);
              resolve(result);
            });
          }),
      ),
    );
    // In a list the others must hear what became of theirs.
    const [only] = results;
    if (results.length === 1 && only?.ok === false && only.refusal === BUG)
      throw new Error("the outcome could not be carried out");
    return results;
  }

  async renew(
    principal: Principal,
    executorId: ExecutorId,
    renewals: readonly RenewalReport[],
    leaseMs: number,
  ): Promise<Decision<Renewed>> {
    if (this.#parts.batcher.storeIsAway) return AWAY;
    if (executorId === GATEKEEPER) return NOT_YOURS;
    const states = await Promise.all(
      renewals.map(async (renewal) => {
        const { state, no } = await new Promise<{ state: RenewState; no: Refusal | undefined }>((resolve) => {
          const checkpoint = renewal.checkpoint === null ? null : payloadText(renewal.checkpoint);
          this.#parts.batcher.push({
            kind: "renew",
            orgId: principal.orgId,
            planId: renewal.lease.planId,
            deferrals: 0,
            lease: renewal.lease,
            executorId,
            leaseMs,
            checkpoint,
            done: (now, refused) => {
              resolve({ state: now, no: refused });
            },
          });
        });
        const entry = this.#parts.leases.get(renewal.lease.planId, renewal.lease.ordinal, renewal.lease.fencing);
        if (entry !== undefined && state !== "lost" && state !== "unknown")
          entry.leaseUntilMs = this.#parts.options.clock.nowMs() + leaseMs;
        if (state !== "lost") takeProgress(this.#parts, principal.orgId, executorId, renewal);
        return { state, no, lease: renewal.lease };
      }),
    );
    // Renewing is repeatable: what could not be said of one lease is asked for again with all.
    const unsaid = states.filter((s) => s.state === "unknown");
    const passing = unsaid.find((s) => s.no !== BUG)?.no;
    if (passing !== undefined) return { ok: false, refusal: passing };
    if (unsaid.length === states.length) throw new Error("none of the leases could be renewed");
    const of = (wanted: RenewState): readonly LeaseRef[] =>
      states.filter((s) => s.state === wanted).map((s) => s.lease);
    // Beside others that were renewed, one that fails by a bug of ours is not called lost: its attempt goes on.
    return decided({ renewed: [...of("renewed"), ...of("unknown")], lost: of("lost"), stopping: of("stopping") });
  }
}

function callOf(principal: Principal, idempotency: CallKey, operation: string): IdempotentCall {
  return {
    orgId: principal.orgId,
    principal: principal.name,
    key: idempotency.key,
    operation,
    bodyDigest: idempotency.bodyDigest,
  };
}

const KEY_CONFLICT = (key: string): Decision<never> =>
  refused("IDEMPOTENCY_CONFLICT", `The idempotency key ${key} was used with another request.`, { metadata: { key } });
