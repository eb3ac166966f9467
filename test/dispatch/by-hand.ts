// A dispatcher whose time goes on when a test says so, with executors that only collect. Its session does not lapse by itself.
// Not here: expectations.
import type { Acknowledgement, Attachment, Dispatcher, StopOrder, StreamSink } from "../../src/dispatch/dispatcher.ts";
import type { Assignment, LeaseRef, Outcome } from "../../src/domain/outcome.ts";
import type { Refusal } from "../../src/domain/refusal.ts";
import { createDispatcher } from "../../src/dispatch/create.ts";
import type { DispatcherOptions } from "../../src/dispatch/parts.ts";
import { ServerSession } from "../../src/dispatch/session.ts";
import type { Store } from "../../src/store/ports/store.ts";
import { systemClock } from "../../src/support/clock.ts";
import type { Clock } from "../../src/support/clock.ts";
import { systemTimers } from "../../src/support/timers.ts";
import type { Timers } from "../../src/support/timers.ts";
import { random } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { newId } from "../support/store.ts";

/** What waits no longer than this waits on the event loop: it is there to let other things happen first. */
const SHORT_MS = 100;
/** As often as leases' ends are looked at. */
const STRIDE_MS = 250;

export interface ByHand {
  readonly server: Dispatcher;
  readonly session: ServerSession;
  /** How often the session was renewed, and all heard of what the store answered. */
  readonly renewals: number;
  readonly log: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
  /** Lets so much time go by, with all that happens in it. */
  pass(ms: number): Promise<void>;
  /** The same in one go, as if the event loop had stood still meanwhile. */
  stall(ms: number): Promise<void>;
}

export async function openByHand(
  bench: Bench,
  over: Partial<Store> = {},
  more: Pick<Partial<DispatcherOptions>, "gatekeeper"> = {},
): Promise<ByHand> {
  const store = { ...bench.it.store, ...over };
  const startMs = systemClock.nowMs();
  let atMs = 0;
  const clock: Clock = { nowMs: () => startMs + atMs, monotonicMs: () => atMs };
  const waiting = new Set<{ dueMs: number; readonly everyMs: number | null; readonly work: () => void }>();
  const later = (ms: number, everyMs: number | null, work: () => void) => {
    const entry = { dueMs: atMs + ms, everyMs, work };
    waiting.add(entry);
    return { cancel: () => void waiting.delete(entry) };
  };
  const timers: Timers = {
    after: (ms, work, options) => (ms <= SHORT_MS ? systemTimers.after(ms, work, options) : later(ms, null, work)),
    every: (ms, work) => later(ms, ms, work),
    soon: systemTimers.soon,
  };
  const ring = async (): Promise<void> => {
    for (const entry of [...waiting]) {
      if (entry.dueMs > atMs || !waiting.has(entry)) continue;
      if (entry.everyMs === null) waiting.delete(entry);
      else entry.dueMs = atMs + entry.everyMs;
      entry.work();
    }
    await new Promise(setImmediate);
  };
  const { platform } = store;
  const lives: Pick<typeof platform, "openSession" | "renewSession" | "endSession"> = {
    openSession: (id, address, build) => platform.openSession(id, address, build, 600_000),
    renewSession: (id, _, since) => platform.renewSession(id, 600_000, since),
    endSession: (id) => platform.endSession(id),
  };
  const stands = { ...clock, monotonicMs: () => 0 };
  const session = new ServerSession(lives, stands, newId, { address: "here", build: "test" });
  await session.open();
  const log: ByHand["log"] = [];
  let renewals = 0;
  const server = createDispatcher({
    store,
    renewed: () => (renewals += 1),
    session,
    storeEpoch: 1,
    clock,
    timers,
    ids: { uuid: newId },
    random,
    log: (event, fields) => log.push({ event, fields }),
    ...more,
  });
  await server.start();
  return {
    server,
    session,
    get renewals() {
      return renewals;
    },
    log,
    pass: async (ms) => {
      for (const endMs = atMs + ms; atMs < endMs;) {
        atMs = Math.min(endMs, atMs + STRIDE_MS);
        await ring();
      }
    },
    stall: async (ms) => {
      atMs += ms;
      await ring();
    },
  };
}

export interface Collector {
  readonly attachment: Attachment;
  readonly given: Assignment[];
  readonly acks: Acknowledgement[];
  readonly stops: StopOrder[];
  /** How its stream ended, and whether it was told to attach again. */
  readonly ends: { readonly refusal: Refusal | null; readonly reconnect: boolean }[];
}

/** An executor of one capability, by its stream. */
export async function attach(
  bench: Bench,
  { server }: Pick<ByHand, "server">,
  capability: string,
  about: {
    readonly slots?: number;
    readonly held?: readonly LeaseRef[];
    readonly unsent?: readonly Outcome[];
    readonly name?: string;
    readonly sink?: Partial<StreamSink>;
  } = {},
): Promise<Collector> {
  const { slots = 1, held = [], unsent = [], name = capability } = about;
  const [given, acks, stops, ends]: [Assignment[], Acknowledgement[], StopOrder[], Collector["ends"][number][]] = [
    [],
    [],
    [],
    [],
  ];
  const sink: StreamSink = {
    send: (assignments, answers) => {
      given.push(...assignments);
      acks.push(...answers);
      return true;
    },
    sendStops: (orders) => {
      stops.push(...orders);
      return true;
    },
    sendHeartbeat: () => true,
    end: (refusal, reconnect) => void ends.push({ refusal, reconnect }),
    ...about.sink,
  };
  const { orgId } = bench.org;
  const hello = {
    principal: { orgId, name, grants: ["*"], keyId: null, untilMs: null },
    stages: null as never,
    spec: { name, capabilities: [capability], labels: {}, slots, buildId: "test" },
    incarnation: newId(),
    held,
    unsent,
  };
  const attached = await server.attach(hello, sink);
  if (!attached.ok) throw new Error(attached.refusal.explanation);
  return { attachment: attached.value, given, acks, stops, ends };
}
