// What the transfer of artifacts costs: the server's event loop for each megabyte, and dispatch while several are under way.
// Not here: the transfers, see support/load/transfers.ts.
import type { ProbeReading } from "../support/server-process.ts";
import type { Figure, Measurement } from "./figure.ts";
import { median, quantile } from "./stage.ts";
import type { Stage } from "./stage.ts";

const MIB_EACH = 64;
/** Transfers at once, each way. */
const AT_ONCE = 4;
/** Single steps at 20 a second: that many last for as long as the transfers do, or longer. */
const STEPS = 160;

export const artifacts: Measurement = {
  name: "artifacts",
  onlyAsked: true,
  run: async (stage) =>
    await stage.withLoad(1, async (carrier) => {
      await carrier.ask("contents", { count: AT_ONCE + 2, mib: MIB_EACH });
      // What everything takes once: threads, connections, compiled code.
      await carrier.ask("transfer", { uploads: [0], downloads: 0 });
      await carrier.ask("transfer", { uploads: [], downloads: 1 });
      const up = await watched(stage, () => carrier.ask("transfer", { uploads: [1], downloads: 0 }));
      const down = await watched(stage, () => carrier.ask("transfer", { uploads: [], downloads: 1 }));
      return await stage.withLoad(1, async (load) => {
        await load.ask("executors", { streams: 8, slots: 64, prefix: "artifacts" });
        await load.ask("latency", { count: 20, perSecond: 20 });
        const quiet = await load.ask("latency", { count: STEPS, perSecond: 20 });
        const uploads = Array.from({ length: AT_ONCE }, (_, i) => i + 2);
        let ended = false;
        const busy: number[] = [];
        const all = await watched(stage, async () => {
          const under = carrier.ask("transfer", { uploads, downloads: AT_ONCE }).finally(() => (ended = true));
          while (!ended) busy.push(...(await load.ask("latency", { count: 20, perSecond: 20 })).ready);
          return under;
        });
        await load.ask("leave");
        const { upMs, downMs } = all.result;
        return [
          ...oneWay("upload", up.result.upMs, up),
          ...oneWay("download", down.result.downMs, down),
          {
            key: "artifact_both_mib_per_s",
            value: (2 * AT_ONCE * MIB_EACH * 1_000) / Math.max(upMs, downMs),
            unit: "MiB/s",
            note: `${AT_ONCE} uploads and ${AT_ONCE} downloads of ${MIB_EACH} MiB; loop p99 ${all.loopP99Ms.toFixed(1)} ms, most ${all.loopMaxMs.toFixed(1)} ms`,
          },
          { key: "ready_received_quiet_p50_ms", value: median(quiet.ready), unit: "ms", note: `${STEPS} single steps` },
          { key: "ready_received_quiet_p99_ms", value: quantile(quiet.ready, 0.99), unit: "ms" },
          {
            key: "ready_received_transfers_p50_ms",
            value: median(busy),
            unit: "ms",
            ceiling: "ready_received_quiet_p50_ms",
            note: `${busy.length} single steps meanwhile`,
          },
          {
            key: "ready_received_transfers_p99_ms",
            value: quantile(busy, 0.99),
            unit: "ms",
            ceiling: "ready_received_quiet_p99_ms",
          },
        ];
      });
    }),
};

interface Watched<T> extends ProbeReading {
  readonly result: T;
}

/** The probe's reading over what is done: CPU as the difference, lateness since it began. */
async function watched<T>(stage: Stage, work: () => Promise<T>): Promise<Watched<T>> {
  const server = await stage.server();
  const before = await server.probe(true);
  const result = await work();
  const after = await server.probe();
  return { ...after, cpuMs: after.cpuMs - before.cpuMs, threadMs: after.threadMs - before.threadMs, result };
}

function oneWay(way: "upload" | "download", tookMs: number, reading: ProbeReading): readonly Figure[] {
  return [
    {
      key: `artifact_${way}_mib_per_s`,
      value: (MIB_EACH * 1_000) / tookMs,
      unit: "MiB/s",
      note: `${MIB_EACH} MiB, alone; loop p99 ${reading.loopP99Ms.toFixed(1)} ms, most ${reading.loopMaxMs.toFixed(1)} ms`,
    },
    {
      key: `artifact_${way}_loop_ms_per_mib`,
      value: reading.threadMs / MIB_EACH,
      unit: "ms",
      note: `CPU of the event loop's thread; ${(reading.cpuMs / MIB_EACH).toFixed(1)} ms of the whole server`,
    },
  ];
}
