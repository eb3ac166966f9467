// What the clients of one seed know: which outcomes were sent, which were acknowledged, and whether what the database says can be
// true. Not here: plans by themselves, see the invariants in test/support.
import type { ServerSession } from "../../src/dispatch/session.ts";
import { GATEKEEPER } from "../../src/domain/gate.ts";
import type { ExecutorId, SessionId } from "../../src/domain/id.ts";
import type { Assignment, Attempt, LeaseRef, Outcome, Receipt } from "../../src/domain/outcome.ts";
import { NOBODY } from "../../src/domain/plan/by-hand.ts";
import { earlierKey } from "../../src/domain/plan/slice.ts";
import { isLeased, must } from "../support/plan-invariants-terms.ts";
import type { StoredPlan, Observer } from "./observer.ts";
import type { Process, World } from "./world.ts";

/** What is looked at of a server. */
interface Serving {
  readonly process: Pick<Process, "isAlive">;
  readonly session: Pick<ServerSession, "id" | "isAlive">;
}

/** Wall clocks of servers are wrong by this at most. */
export const SKEW_MS = 400;

export function leaseKey({ planId, ordinal, fencing }: Pick<LeaseRef, "planId" | "ordinal" | "fencing">): string {
  return `${planId}/${String(ordinal)}/${String(fencing)}`;
}

export class Ledger {
  readonly #world: World;
  readonly #observer: Observer;
  readonly #servers: () => readonly Serving[];
  /** Digests of the outcomes that were sent, by lease. */
  readonly #sent = new Map<string, Set<string>>();
  readonly #acknowledged = new Map<string, string>();
  /** When an executor's stream last broke or was opened, and where it is now. */
  readonly #stirred = new Map<ExecutorId, { readonly atMs: number; readonly server: Serving | undefined }>();

  /** Who says of a lease that it is kept alive on a stream of that session. */
  readonly keepers = new Map<ExecutorId, (key: string, sessionId: SessionId | null) => boolean>();

  /** Who says whether it is on a stream of that session: a server that was frozen may give a lease to one that broke long ago. */
  readonly streams = new Map<ExecutorId, (sessionId: SessionId | null) => boolean>();

  constructor(world: World, observer: Observer, servers: () => readonly Serving[]) {
    this.#world = world;
    this.#observer = observer;
    this.#servers = servers;
    observer.onChange((before, after) => {
      this.#changed(before, after);
    });
  }

  sent({ lease, bodyDigest }: Pick<Outcome, "lease" | "bodyDigest">): void {
    const digests = this.#sent.get(leaseKey(lease)) ?? new Set();
    digests.add(bodyDigest);
    this.#sent.set(leaseKey(lease), digests);
  }

  /** Its stream broke, was opened, or fell silent. */
  stirred(executorId: ExecutorId, server: Serving | undefined): void {
    this.#stirred.set(executorId, { atMs: this.#world.nowMs, server });
  }

  /** A server says so: it must be durable already. */
  acknowledged(receipt: Receipt): void {
    const key = leaseKey(receipt.lease);
    const attempt = this.#attempt(receipt.lease);
    if (attempt === undefined || !this.#isReported(key, attempt))
      this.#world.violated(`outcome ${key} was acknowledged before it was durable`);
    const before = this.#acknowledged.get(key);
    if (before !== undefined && before !== receipt.recordId)
      this.#world.violated(`outcome ${key} was acknowledged under records ${before} and ${receipt.recordId}`);
    this.#acknowledged.set(key, receipt.recordId);
    this.#world.count("acknowledged");
  }

  /** A server handed it out: the lease must be there already, in this executor's name. */
  assigned({ lease, executorId }: Pick<Assignment, "lease" | "executorId">): void {
    const row = this.#observer.snapshot.get(lease.planId)?.steps.get(lease.ordinal);
    const attempt = this.#attempt(lease);
    const isLive = row !== undefined && isLeased(row) && row.fencing === lease.fencing;
    if (isLive ? row.executorId !== executorId : attempt?.executorId !== executorId)
      this.#world.violated(`lease ${leaseKey(lease)} was handed out and is not there`);
    this.#world.count("assigned");
  }

  /** At the end: whatever was acknowledged is there. */
  check(): void {
    for (const key of this.#acknowledged.keys()) {
      const [planId, ordinal, fencing] = key.split("/") as [LeaseRef["planId"], string, string];
      const attempt = this.#attempt({ planId, ordinal: Number(ordinal), fencing: Number(fencing) });
      if (attempt === undefined || !this.#isReported(key, attempt))
        this.#world.violated(`outcome ${key} was acknowledged and is lost`);
    }
  }

  #attempt({ planId, ordinal, fencing }: Pick<LeaseRef, "planId" | "ordinal" | "fencing">): Attempt | undefined {
    return this.#observer.snapshot.get(planId)?.attempts.get(earlierKey(ordinal, fencing));
  }

  #isReported(key: string, attempt: Attempt): boolean {
    const digests = this.#sent.get(key);
    return digests !== undefined && (digests.has(attempt.bodyDigest ?? "") || digests.has(attempt.lateDigest ?? ""));
  }

  #changed(before: StoredPlan | undefined, after: StoredPlan): void {
    if (before === undefined) return;
    for (const [key, attempt] of before.attempts) must(after.attempts.has(key), "attempts stay", attempt);
    for (const row of after.steps.values()) {
      const old = before.steps.get(row.ordinal);
      if (old === undefined) continue;
      must(row.fencing >= old.fencing, "fencing only grows", old, row);
      must(
        row.fencing === old.fencing || !isLeased(old) || after.attempts.has(earlierKey(old.ordinal, old.fencing)),
        "a lease ends before another one begins",
        old,
        row,
      );
      must(
        !isLeased(old) || isLeased(row) || after.attempts.has(earlierKey(old.ordinal, old.fencing)),
        "a lease that ended left its attempt",
        old,
        row,
      );
    }
    for (const [key, attempt] of after.attempts) {
      if (before.attempts.has(key)) continue;
      const old = before.steps.get(attempt.ordinal);
      // An operator's word is an attempt of nobody's, and ends whatever lease there was with another one.
      if (attempt.executorId === NOBODY) continue;
      const byHand = attempt.failure?.message.startsWith("resolved by hand") === true;
      must(
        old !== undefined && isLeased(old) && old.fencing === attempt.fencing,
        "only the live lease ends",
        old,
        attempt,
      );
      if (attempt.state === "LOST" && !byHand) this.#lost(before, attempt);
      else if (!byHand) {
        // A gate that is called off is reported by the server itself: its gatekeeper says nothing any more.
        const calledOff = attempt.executorId === GATEKEEPER && attempt.state === "STOPPED" && old?.state === "STOPPING";
        must(
          calledOff || this.#isReported(leaseKey(attempt), attempt),
          "what an attempt came to was reported for it",
          attempt,
        );
        must(old?.executorId === attempt.executorId, "the holder reported it", old, attempt);
      }
    }
  }

  /** A lease that is kept alive is not taken away. */
  #lost(before: StoredPlan, attempt: Attempt): void {
    const row = before.steps.get(attempt.ordinal);
    if (row === undefined) return;
    const message = attempt.failure?.message ?? "";
    this.#world.count(`lost: ${message}`);
    const latest = attempt.endedMs + SKEW_MS;
    const holder = this.#servers().find((server) => server.process.isAlive && server.session.id === row.sessionId);
    const { atMs = 0, server } = this.#stirred.get(attempt.executorId) ?? {};
    // One that went elsewhere is gone for whoever does not know it yet.
    const stirred = atMs >= attempt.leasedMs || server?.session.id !== row.sessionId;
    const isRight = message.includes("took longer")
      ? (row.deadlineMs ?? Infinity) <= latest
      : message.includes("not renewed")
        ? (row.leaseUntilMs ?? Infinity) <= latest
        : message.includes("did not stop")
          ? row.state === "STOPPING"
          : message.includes("was gone")
            ? holder?.session.isAlive !== true
            : // Nobody holds a gate outside: it goes away with its server alone.
              attempt.executorId !== GATEKEEPER &&
              (stirred || this.streams.get(attempt.executorId)?.(row.sessionId) !== true) &&
              this.keepers.get(attempt.executorId)?.(leaseKey(attempt), row.sessionId) !== true;
    must(isRight, "a lease that is kept alive is not taken away", message, row, attempt);
  }
}
