// What every measurement stands on: a server with a probe, a load process, keys, and windows to measure in. Not here: the measurements.
import { fileURLToPath } from "node:url";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { nativeClient } from "../support/load/client.ts";
import type { NativeClient } from "../support/load/client.ts";
import type { Counters } from "../support/load/process.ts";
import { startLoad } from "../support/load/remote.ts";
import type { LoadProcess } from "../support/load/remote.ts";
import { makeKey, startServer } from "../support/server-process.ts";
import type { ProbeReading, ServerProcess } from "../support/server-process.ts";

export interface Stage {
  readonly url: string;
  readonly databaseCpuMs: () => number;
  /** Length of a window. */
  readonly seconds: number;
  readonly windows: number;
  /** The running server; started when it is first needed. */
  server(): Promise<ServerProcess>;
  stopServer(): Promise<void>;
  /** What the probe said after a second in which the freshly started server had nothing to do. */
  idle(): Promise<ProbeReading>;
  /** A client of the home org; close it. */
  client(): Promise<NativeClient>;
  /** A fresh load process, connected as so many orgs (1: the local one). Ends with `work`. */
  withLoad<T>(orgs: number, work: (load: LoadProcess) => Promise<T>): Promise<T>;
  say(text: string): void;
}

export function makeStage(options: {
  readonly url: string;
  readonly databaseCpuMs: () => number;
  readonly seconds: number;
  readonly windows: number;
  readonly logFile?: string | undefined;
}): Stage {
  let server: ServerProcess | undefined;
  const orgKeys: string[] = [];
  let homeKey = "";
  let idle: ProbeReading | undefined;
  const stage: Stage = {
    url: options.url,
    databaseCpuMs: options.databaseCpuMs,
    seconds: options.seconds,
    windows: options.windows,
    server: async () => {
      server ??= await startServer({
        databaseUrl: options.url,
        preload: fileURLToPath(new URL("./probe.ts", import.meta.url)),
        ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
      });
      if (homeKey === "") homeKey = await makeKey(server.target, "bench");
      if (idle === undefined) {
        await server.probe(true);
        await pause(IDLE_MS);
        idle = await server.probe(true);
      }
      return server;
    },
    idle: async () => {
      await stage.server();
      if (idle === undefined) throw new Error("the server was not watched when it started");
      return idle;
    },
    stopServer: async () => {
      await server?.stop();
      server = undefined;
    },
    client: async () => {
      const { target } = await stage.server();
      return nativeClient(target, homeKey);
    },
    withLoad: async (orgs, work) => {
      const { target } = await stage.server();
      while (orgs > 1 && orgKeys.length < orgs) orgKeys.push(await newOrg(target, homeKey, orgKeys.length));
      const load = startLoad();
      try {
        await load.ask("connect", { target, keys: orgs === 1 ? [homeKey] : orgKeys.slice(0, orgs) });
        return await work(load);
      } finally {
        await load.kill();
      }
    },
    say: (text) => {
      process.stderr.write(`${text}\n`);
    },
  };
  return stage;
}

async function newOrg(target: string, key: string, index: number): Promise<string> {
  const client = nativeClient(target, key);
  try {
    return (
      await client.call(IdentityService.method.createOrg, {
        name: `bench-${index}`,
        idempotencyKey: crypto.randomUUID(),
      })
    ).secret;
  } finally {
    client.close();
  }
}

const IDLE_MS = 1_000;
/** Until streams, caches and compiled code are as they stay: a server's first seconds are up to a third slower. */
export const WARM_UP_S = 2;
/** The pace is taken from the end of it. */
const PACE_S = 0.5;

export interface StreamFigures {
  readonly stepsPerS: number;
  readonly windows: readonly number[];
  readonly loopP99Ms: number;
  readonly rssMb: number;
  readonly serverUs: number;
  readonly clientUs: number;
  readonly databaseUs: number;
  readonly fillPerS: number;
}

/** Receipts a second while executors work a backlog off: after warming up, the median of the windows. */
export async function measureStream(
  stage: Stage,
  load: LoadProcess,
  backlog: number,
): Promise<Omit<StreamFigures, "fillPerS">> {
  const server = await stage.server();
  let warm = await load.ask("counters");
  const untilMs = performance.now() + (WARM_UP_S - PACE_S) * 1_000;
  // A small backlog is not to be spent on warming up.
  while (performance.now() < untilMs && warm.receipts < backlog * 0.15) {
    await pause(50);
    warm = await load.ask("counters");
  }
  await pause(PACE_S * 1_000);
  const before = await load.ask("counters");
  const pace = rate(warm, before);
  // The backlog must outlast the windows: what is left when it runs dry is another thing.
  const affordable = (backlog * 0.9 - before.receipts) / Math.max(pace, 1) / stage.windows;
  if (affordable < 0.1) throw new Error(`the backlog of ${String(backlog)} steps is too small to measure on`);
  const seconds = Math.min(stage.seconds, affordable);
  const probeBefore = await server.probe(true);
  const databaseBefore = stage.databaseCpuMs();
  const rates: number[] = [];
  let last = before;
  for (let i = 0; i < stage.windows; i++) {
    await pause(seconds * 1_000);
    const now = await load.ask("counters");
    rates.push(rate(last, now));
    last = now;
  }
  const probe = await server.probe();
  const database = stage.databaseCpuMs() - databaseBefore;
  const steps = Math.max(1, last.receipts - before.receipts);
  return {
    stepsPerS: median(rates),
    windows: rates,
    loopP99Ms: probe.loopP99Ms,
    rssMb: probe.rssMb,
    databaseUs: (database * 1_000) / steps,
    serverUs: ((probe.cpuMs - probeBefore.cpuMs) * 1_000) / steps,
    clientUs: ((last.cpuMs - before.cpuMs) * 1_000) / steps,
  };
}

function rate(a: Counters, b: Counters): number {
  return ((b.receipts - a.receipts) * 1_000) / (b.atMs - a.atMs);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
