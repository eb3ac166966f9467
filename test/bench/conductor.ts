// Runs and artifacts over REST, Connect (with JSON by a bare client, and by its own) and gRPC on the wide port, manifests, and
// evidence. Not here: the calls, see support/load/conductor.ts.
import type { Deed, Way } from "../support/load/conductor.ts";
import type { Figure, Measurement } from "./figure.ts";
import { median, quantile } from "./stage.ts";
import type { Stage } from "./stage.ts";

/** Until compiled code and connections are as they stay. */
const WARM_UP_S = 1.5;
/** Calls at once. */
const IN_FLIGHT = 64;
const ARTIFACTS = 10_000;
const MANIFESTS = 15;
const COMPONENTS = 5_000;
const GATES = 30;
/** Single steps at 20 a second. */
const STEPS = 60;
const WAYS: readonly Way[] = ["rest", "connect_json", "connect", "grpc"];
const DEEDS: readonly (readonly [Deed, string])[] = [
  ["createRun", "runs_created_per_s"],
  ["createArtifact", "run_artifacts_created_per_s"],
  ["getRun", "runs_read_per_s"],
];

export const conductor: Measurement = {
  name: "conductor",
  onlyAsked: true,
  run: async (stage) => {
    const figures: Figure[] = [];
    for (const [deed, key] of DEEDS)
      for (const way of WAYS) figures.push(await calls(stage, way, deed, `${key}_${way}`));
    return [...figures, ...(await manifests(stage)), ...(await evidence(stage))];
  },
};

/** One deed one way, with what a call costs each side: what the machine does besides takes little of that. */
async function calls(stage: Stage, way: Way, deed: Deed, key: string): Promise<Figure> {
  const server = await stage.server();
  return await stage.withLoad(1, async (load) => {
    const options = { way, deed, port: server.ports.wide, inFlight: IN_FLIGHT, seconds: stage.seconds };
    await load.ask("conductor", { ...options, seconds: WARM_UP_S, windows: 1 });
    const [before, beforeMs] = [await server.probe(true), stage.databaseCpuMs()];
    const { rates, latencies, cpuMs } = await load.ask("conductor", { ...options, windows: stage.windows });
    const [after, afterMs] = [await server.probe(), stage.databaseCpuMs()];
    const each = (ms: number): string => ((1_000 * ms) / latencies.length).toFixed(0);
    const cost = `client ${each(cpuMs)}, server ${each(after.cpuMs - before.cpuMs)}, database ${each(afterMs - beforeMs)} µs`;
    const note = `${IN_FLIGHT} in flight; p50 ${median(latencies).toFixed(1)}, p99 ${quantile(latencies, 0.99).toFixed(1)} ms; ${cost}`;
    return { key, value: median(rates), unit: "calls/s", note };
  });
}

/** Of 10,000 artifacts, from the request to the last byte of the answer. */
async function manifests(stage: Stage): Promise<readonly Figure[]> {
  const { ports } = await stage.server();
  return await stage.withLoad(1, async (load) => {
    const { restMs, connectMs, restBytes } = await load.ask("manifest", {
      port: ports.wide,
      artifacts: ARTIFACTS,
      times: MANIFESTS,
    });
    const figure = (key: string, taken: readonly number[]): Figure => ({
      key,
      value: median(taken),
      unit: "ms",
      note: `${ARTIFACTS} artifacts; least ${Math.min(...taken).toFixed(0)}, most ${Math.max(...taken).toFixed(0)} ms`,
    });
    const rest = figure("manifest_10k_rest_ms", restMs);
    const size = `${(restBytes / 2 ** 20).toFixed(1)} MiB of JSON`;
    return [{ ...rest, note: `${rest.note ?? ""}; ${size}` }, figure("manifest_10k_connect_ms", connectMs)];
  });
}

/** A gate that reads a bill of materials, and dispatch while gates do. */
async function evidence(stage: Stage): Promise<readonly Figure[]> {
  const { ports, probe } = await stage.server();
  return await stage.withLoad(1, async (gates) =>
    stage.withLoad(1, async (load) => {
      await load.ask("executors", { streams: 8, slots: 64, prefix: "evidence" });
      await load.ask("latency", { count: 20, perSecond: 20 });
      const options = { port: ports.wide, components: COMPONENTS };
      // Threads and compiled code.
      await gates.ask("evidence", { ...options, times: 5 });
      const quiet = await load.ask("latency", { count: STEPS, perSecond: 20 });
      await probe(true);
      let over = false;
      const busy: number[] = [];
      const under = gates.ask("evidence", { ...options, times: GATES }).finally(() => (over = true));
      do busy.push(...(await load.ask("latency", { count: 20, perSecond: 20 })).ready);
      while (!over);
      const taken = await under;
      const { loopP99Ms, loopMaxMs } = await probe();
      await load.ask("leave");
      return [
        {
          key: "gate_sbom_5k_ms",
          value: median(taken),
          unit: "ms",
          note: `${COMPONENTS} components, kept here, one gate after another; least ${Math.min(...taken).toFixed(0)}, most ${Math.max(...taken).toFixed(0)} ms; loop p99 ${loopP99Ms.toFixed(1)}, most ${loopMaxMs.toFixed(1)} ms`,
        },
        { key: "ready_received_quiet_p50_ms", value: median(quiet.ready), unit: "ms", note: `${STEPS} single steps` },
        {
          key: "ready_received_gates_p50_ms",
          value: median(busy),
          unit: "ms",
          ceiling: "ready_received_quiet_p50_ms",
          note: `${busy.length} single steps meanwhile; p99 ${quantile(busy, 0.99).toFixed(1)}, quiet ${quantile(quiet.ready, 0.99).toFixed(1)} ms`,
        },
      ];
    }),
  );
}
