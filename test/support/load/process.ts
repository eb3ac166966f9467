// The load process: executors and submitters outside of the server and of the one that measures. Steered over IPC, see remote.ts.
// Not here: what is measured.
import type { Assignment } from "../../../gen/maestro/v1/dispatch_pb.ts";
import { nativeClient } from "./client.ts";
import type { NativeClient } from "./client.ts";
import { conductorLoad } from "./conductor.ts";
import type { ConductorLoad, ConductorLoadOptions } from "./conductor.ts";
import { echo } from "./echo.ts";
import { evidenceLoad } from "./evidence.ts";
import type { EvidenceLoadOptions } from "./evidence.ts";
import { LoadExecutor } from "./executor.ts";
import { openJournal } from "./journal.ts";
import type { Journal } from "./journal.ts";
import { manifestLoad } from "./manifest.ts";
import type { ManifestLoad, ManifestLoadOptions } from "./manifest.ts";
import { CAPABILITY, chain, json200, manySteps, step, tenSteps } from "./shapes.ts";
import { declareCharter, submitLarge, submitMany, submitPlan } from "./submit.ts";
import { download, makeContent, upload } from "./transfers.ts";
import type { Content } from "./transfers.ts";
import { UnaryLoad } from "./unary.ts";

export interface Counters {
  readonly atMs: number;
  readonly receipts: number;
  readonly assigned: number;
  readonly refusals: number;
  readonly inFlight: number;
  readonly attaches: number;
  readonly submitted: number;
  readonly cpuMs: number;
}

const executors: LoadExecutor[] = [];
let submitters: NativeClient[] = [];
let target = "";
let keys: readonly string[] = [];
let journal: Journal | undefined;
let submitted = 0;
let feeding: AbortController | undefined;
let unary: UnaryLoad | undefined;
let contents: readonly Content[] = [];
let onAssigned: ((assignment: Assignment, atMs: number) => void) | undefined;
let onReceipt: ((planId: string, atMs: number) => void) | undefined;

/** What the process can be asked to do. */
const actions = {
  async connect(options: {
    readonly target: string;
    readonly keys: readonly string[];
    readonly journal?: string;
    readonly charter?: boolean;
  }): Promise<void> {
    ({ target, keys } = options);
    journal = openJournal(options.journal);
    for (const client of submitters) client.close();
    submitters = keys.map((key) => nativeClient(target, key));
    if (options.charter !== false) await Promise.all(submitters.map(declareCharter));
  },
  /**
   * Attaches executors, in turn over the keys. Each has a connection of its own, or all share so many; with further servers, each
   * new stream goes to the next one.
   */
  async executors(options: {
    readonly streams: number;
    readonly slots: number;
    readonly connections?: number;
    readonly elsewhere?: readonly string[];
    readonly takes?: readonly [number, number];
    readonly prefix?: string;
    readonly capability?: string;
  }): Promise<void> {
    const servers = [target, ...(options.elsewhere ?? [])];
    const connections = Array.from({ length: options.connections ?? options.streams }, (_, i) =>
      inTurn(servers.map((server) => nativeClient(server, keys[i % keys.length]))),
    );
    const fresh = Array.from({ length: options.streams }, (_, i) => {
      const client = connections[i % connections.length];
      if (client === undefined) throw new Error("no connection");
      return new LoadExecutor({
        client,
        name: `${options.prefix ?? "load"}-${i}`,
        slots: options.slots,
        capability: options.capability ?? CAPABILITY,
        takes: options.takes ?? [0, 0],
        journal,
        onAssigned: (assignment, atMs) => onAssigned?.(assignment, atMs),
        onReceipt: (planId, atMs) => onReceipt?.(planId, atMs),
      });
    });
    executors.push(...fresh);
    await Promise.all(fresh.map((executor) => executor.start()));
  },
  async leave(): Promise<void> {
    for (const executor of executors.splice(0)) executor.stop();
  },
  async counters(): Promise<Counters> {
    const { user, system } = process.cpuUsage();
    const sum = (of: (executor: LoadExecutor) => number): number =>
      executors.reduce((total, each) => total + of(each), 0);
    return {
      atMs: performance.now(),
      receipts: sum((e) => e.receipts),
      assigned: sum((e) => e.assigned),
      refusals: sum((e) => e.refusals),
      inFlight: sum((e) => e.inFlight),
      attaches: sum((e) => e.attaches),
      submitted,
      cpuMs: (user + system) / 1_000,
    };
  },
  /** Submits plans and returns when they are committed, or as many as were by the time limit; how many. */
  async fill(options: {
    readonly plans: number;
    readonly scattered?: boolean;
    readonly capability?: string;
    readonly at?: number;
    readonly limitMs?: number;
  }): Promise<number> {
    const limit = options.limitMs === undefined ? {} : { signal: AbortSignal.timeout(options.limitMs) };
    const done = await submitMany(submitters, options.plans, () => tenSteps(options.capability, options.scattered), {
      journal,
      at: options.at ?? 16,
      ...limit,
    });
    submitted += done;
    return done;
  },
  /** Submits plans in the background, so many at a time, until `hush` or `plans` of them. */
  async feed(options: { readonly at: number; readonly plans?: number }): Promise<void> {
    const control = new AbortController();
    feeding = control;
    void submitMany(
      submitters,
      options.plans ?? Number.POSITIVE_INFINITY,
      () => {
        submitted += 1;
        return tenSteps();
      },
      { at: options.at, journal, signal: control.signal },
    );
  },
  async hush(): Promise<void> {
    feeding?.abort();
  },
  async large(options: { readonly steps: number }): Promise<{ readonly refineMs: number; readonly commitMs: number }> {
    return await submitLarge(first(), `large-${options.steps}`, manySteps(options.steps));
  },
  /** Single steps at a steady rate: ready → received, and submitted → received, in ms. */
  async latency(options: {
    readonly count: number;
    readonly perSecond: number;
  }): Promise<{ readonly ready: readonly number[]; readonly submit: readonly number[] }> {
    const ready: number[] = [];
    const submit: number[] = [];
    const calledMs = new Map<string, number>();
    const receivedMs = new Map<string, number>();
    onAssigned = ({ lease, readyAt }, atMs) => {
      ready.push(atMs - Number(readyAt?.seconds ?? 0n) * 1_000 - (readyAt?.nanos ?? 0) / 1e6);
      receivedMs.set(lease?.planId ?? "", atMs);
    };
    const calls: Promise<void>[] = [];
    for (let i = 0; i < options.count; i++) {
      const beganMs = performance.timeOrigin + performance.now();
      calls.push(
        submitPlan(first(), `single-${i}`, [step("only")]).then((planId) => {
          calledMs.set(planId, beganMs);
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 1_000 / options.perSecond));
    }
    await Promise.all(calls);
    await until(() => receivedMs.size >= options.count, 5_000);
    onAssigned = undefined;
    for (const [planId, beganMs] of calledMs) submit.push((receivedMs.get(planId) ?? Number.NaN) - beganMs);
    return { ready, submit };
  },
  /** Chains of three steps, one after another: submitted → third outcome acknowledged, in ms. */
  async chains(options: { readonly count: number }): Promise<readonly number[]> {
    const taken: number[] = [];
    for (let i = 0; i < options.count; i++) {
      const beganMs = performance.timeOrigin + performance.now();
      let left = 3;
      const done = Promise.withResolvers<number>();
      onReceipt = (_planId, atMs) => {
        left -= 1;
        if (left === 0) done.resolve(atMs);
      };
      await submitPlan(first(), `chain-${i}`, chain(3));
      taken.push((await done.promise) - beganMs);
    }
    onReceipt = undefined;
    return taken;
  },
  /** The barest calls there are. */
  async echo(options: {
    readonly inFlight: number;
    readonly seconds: number;
  }): Promise<{ readonly perS: number; readonly latencies: readonly number[] }> {
    return await echo(first(), options);
  },
  /** Runs and artifacts, as the first key. */
  async conductor(options: Omit<ConductorLoadOptions, "key">): Promise<ConductorLoad> {
    return await conductorLoad({ ...options, key: keys[0] ?? "" });
  },
  async evidence(options: Omit<EvidenceLoadOptions, "key">): Promise<readonly number[]> {
    return await evidenceLoad({ ...options, key: keys[0] ?? "" });
  },
  async manifest(options: Omit<ManifestLoadOptions, "key">): Promise<ManifestLoad> {
    return await manifestLoad({ ...options, key: keys[0] ?? "" });
  },
  async unaryStart(options: { readonly inFlight: number; readonly capability: string }): Promise<void> {
    unary = new UnaryLoad(first(), options.capability);
    await unary.start(options.inFlight);
  },
  async unaryRead(): Promise<{
    readonly operations: number;
    readonly atMs: number;
    readonly latencies: readonly number[];
    readonly empty: number;
    readonly failed: number;
    readonly why: string;
  }> {
    if (unary === undefined) throw new Error("no unary load");
    return unary.read();
  },
  async unaryStop(): Promise<void> {
    await unary?.stop();
  },
  /** Makes contents of so many MiB each, for uploads and downloads. */
  async contents(options: { readonly count: number; readonly mib: number }): Promise<void> {
    contents = await Promise.all(Array.from({ length: options.count }, () => makeContent(options.mib)));
  },
  /** Uploads contents and downloads the first one, each over a connection of its own; how long each way took in all, ms. */
  async transfer(options: {
    readonly uploads: readonly number[];
    readonly downloads: number;
  }): Promise<{ readonly upMs: number; readonly downMs: number }> {
    const timed = async (jobs: readonly ((client: NativeClient) => Promise<void>)[]): Promise<number> => {
      const beganMs = performance.now();
      await Promise.all(
        jobs.map(async (job) => {
          const client = nativeClient(target, keys[0]);
          try {
            await job(client);
          } finally {
            client.close();
          }
        }),
      );
      return performance.now() - beganMs;
    };
    const of = (index: number): Content => {
      const content = contents[index];
      if (content === undefined) throw new Error("no such content was made");
      return content;
    };
    const [upMs, downMs] = await Promise.all([
      timed(options.uploads.map((index) => (client) => upload(client, of(index)))),
      timed(Array.from({ length: options.downloads }, () => (client) => download(client, of(0)))),
    ]);
    return { upMs, downMs };
  },
  async outputBytes(): Promise<number> {
    return json200("done").length;
  },
};

export type Actions = typeof actions;

function first(): NativeClient {
  const [client] = submitters;
  if (client === undefined) throw new Error("not connected");
  return client;
}

function inTurn(clients: readonly NativeClient[]): Pick<NativeClient, "attach"> {
  let turn = 0;
  return {
    attach: () => {
      const client = clients[turn++ % clients.length];
      if (client === undefined) throw new Error("no server");
      return client.attach();
    },
  };
}

async function until(holds: () => boolean, limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!holds() && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 5));
}

process.on("message", (message: { readonly id: number; readonly act: keyof Actions; readonly options: never }) => {
  actions[message.act](message.options).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: unknown) =>
      process.send?.({
        id: message.id,
        trouble: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
  );
});
// Without its master it has no one to load for.
process.on("disconnect", () => process.exit(0));
