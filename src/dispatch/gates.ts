// Gate steps, which this server performs itself: a taker for each org that has some, and leases that nobody holds outside. Not here:
// what a gate asks and answers, see Gatekeeper; streams of executors, see streams.ts.
import { NOTHING } from "../domain/amounts.ts";
import type { Executor } from "../domain/executor.ts";
import { GATEKEEPER, RELEASE_GATE } from "../domain/gate.ts";
import type { OrgId } from "../domain/id.ts";
import { outcomeDigest } from "../domain/outcome.ts";
import type { Assignment, LeaseRef, OutcomeResult } from "../domain/outcome.ts";
import { pause } from "../support/timers.ts";
import type { Gatekeeper, Reporter } from "./dispatcher.ts";
import { leaseKey } from "./leases.ts";
import { pushOutcome } from "./parts.ts";
import type { Parts } from "./parts.ts";
import { Taker } from "./takers.ts";

/** Gates of one org, and of all, that a server judges at once. */
const OF_ONE_ORG = 4;
const OF_ALL = 16;
/** Wait before an outcome that was not taken is reported again. */
const AGAIN_MS = 500;
/** How long judgements under way may take to end when the server goes down. */
const DRAIN_MS = 2_000;

const BUG: OutcomeResult = {
  kind: "failure",
  failure: { errorClass: "TRANSIENT", message: "something went wrong in the server; its log says what", details: "" },
};

interface Running {
  readonly orgId: OrgId;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
  /** What is said of it once it was called off; undefined: nothing, its lease is over. */
  calledOff: OutcomeResult | undefined;
}

export class Gates {
  readonly #parts: Parts;
  readonly #keeper: Gatekeeper;
  readonly #takers = new Map<OrgId, Taker>();
  readonly #running = new Map<string, Running>();

  constructor(parts: Parts, keeper: Gatekeeper) {
    this.#parts = parts;
    this.#keeper = keeper;
  }

  /** These orgs have gates, or may have. Each is attended to from now on. */
  attend(orgs: Iterable<OrgId>): void {
    for (const orgId of orgs) {
      if (this.#takers.has(orgId) || this.#parts.draining) continue;
      const taker = new Taker(keeperOf(orgId), {
        capacity: () => this.#room(orgId),
        // As of a stream: the server's session keeps them, and other servers sweep them when it has lapsed.
        leaseMs: null,
        capabilities: [],
        deliver: (assignments) => {
          for (const assignment of assignments) this.#begin(orgId, assignment);
        },
      });
      this.#takers.set(orgId, taker);
      void this.#take(taker);
    }
  }

  /** Its end is wanted: told to stop, or its time is up. */
  stop(lease: LeaseRef, reason: string, outcomeWanted: boolean): void {
    const running = this.#running.get(keyOf(lease));
    if (running === undefined) return;
    running.calledOff = outcomeWanted ? { kind: "stopped", message: reason } : undefined;
    running.abort.abort();
  }

  /** Gives back what it is at; another server judges it, or this one once it is there again. */
  async drain(): Promise<void> {
    for (const taker of this.#takers.values()) this.#parts.takers.remove(taker);
    for (const running of this.#running.values()) {
      running.calledOff = { kind: "returned", message: "the server goes down" };
      running.abort.abort();
    }
    const all = Promise.all([...this.#running.values()].map(({ ended }) => ended));
    await Promise.race([all, pause(this.#parts.timers, DRAIN_MS)]);
  }

  async #take(taker: Taker): Promise<void> {
    const { orgId } = taker.executor;
    const { feed, takers, batcher, options } = this.#parts;
    try {
      await feed.demandsOf(orgId);
    } catch (error) {
      // The store is away: whoever tells of a gate of this org later finds it not attended to yet.
      this.#takers.delete(orgId);
      options.log("gates.not_attended", { org: orgId, error: String(error) });
      return;
    }
    if (this.#parts.draining) return;
    takers.add(taker);
    feed.refillSoon(taker);
    batcher.poke();
  }

  #room(orgId: OrgId): number {
    if (this.#parts.draining || this.#running.size >= OF_ALL) return 0;
    let own = 0;
    for (const running of this.#running.values()) if (running.orgId === orgId) own += 1;
    return OF_ONE_ORG - own;
  }

  #begin(orgId: OrgId, { lease, attempt }: Assignment): void {
    const key = keyOf(lease);
    if (this.#running.has(key)) return;
    const abort = new AbortController();
    const ended = this.#perform(orgId, lease, attempt, abort.signal)
      // What cannot even be said of it ends with the attempt's time.
      .catch((error: unknown) => {
        this.#log("gate.not_reported", lease, error);
      })
      .finally(() => {
        this.#running.delete(key);
        this.#parts.batcher.poke();
      });
    this.#running.set(key, { orgId, abort, ended, calledOff: undefined });
  }

  async #perform(orgId: OrgId, lease: LeaseRef, attempt: number, signal: AbortSignal): Promise<void> {
    let result: OutcomeResult | undefined;
    try {
      result = await this.#keeper.perform({ orgId, lease, attempt }, signal);
    } catch (error) {
      if (!signal.aborted) {
        this.#log("gate.failed", lease, error);
        result = BUG;
      }
    }
    if (signal.aborted) result = this.#running.get(keyOf(lease))?.calledOff;
    if (result !== undefined) await this.#report(orgId, lease, result);
  }

  #log(event: string, { planId, step }: LeaseRef, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#parts.options.log(event, { plan: planId, step, error: text });
  }

  /** Until it is taken, or the lease is over. */
  async #report(orgId: OrgId, lease: LeaseRef, result: OutcomeResult): Promise<void> {
    const said = { lease, result, usage: NOTHING, artifacts: [] };
    const outcome = { ...said, bodyDigest: outcomeDigest(said), logTail: "" };
    for (;;) {
      const answer = await new Promise<{ readonly ok: boolean; readonly retryable: boolean }>((resolve) => {
        pushOutcome(this.#parts, reporterOf(orgId), GATEKEEPER, outcome, undefined, (taken) => {
          resolve({ ok: taken.ok, retryable: !taken.ok && taken.refusal.retryable });
        });
      });
      if (answer.ok || !answer.retryable || this.#parts.draining) return;
      if (this.#parts.leases.get(lease.planId, lease.ordinal, lease.fencing) === undefined) return;
      await pause(this.#parts.timers, AGAIN_MS);
    }
  }
}

function keyOf({ planId, ordinal, fencing }: LeaseRef): string {
  return leaseKey(planId, ordinal, fencing);
}

function keeperOf(orgId: OrgId): Executor {
  return {
    orgId,
    executorId: GATEKEEPER,
    spec: { name: "maestro", capabilities: [RELEASE_GATE], labels: {}, slots: OF_ONE_ORG, buildId: "" },
    state: "ACTIVE",
    trust: 1,
    sessionId: null,
    registeredMs: 0,
    lastSeenMs: 0,
  };
}

function reporterOf(orgId: OrgId): Reporter {
  return { principal: { orgId, name: "maestro", grants: [], keyId: null, untilMs: null }, stages: {} };
}
