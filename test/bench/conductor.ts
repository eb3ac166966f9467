// Runs and artifacts over REST, Connect and gRPC on the wide port, manifests, and evidence. Not here: the calls, see
// support/load/conductor.ts.
import type { Deed, Way } from "../support/load/conductor.ts";
import type { Figure, Measurement } from "./figure.ts";
import { median, quantile } from "./stage.ts";

/** Calls at once. */
const IN_FLIGHT = 64;
const WAYS: readonly Way[] = ["rest", "connect", "grpc"];
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
    for (const [deed, key] of DEEDS) {
      for (const way of WAYS) {
        figures.push(
          await stage.withLoad(1, async (load) => {
            const { rates, latencies } = await load.ask("conductor", {
              way,
              deed,
              port: (await stage.server()).ports.wide,
              inFlight: IN_FLIGHT,
              seconds: stage.seconds,
              windows: stage.windows,
            });
            const note = `${IN_FLIGHT} in flight; p50 ${median(latencies).toFixed(1)}, p99 ${quantile(latencies, 0.99).toFixed(1)} ms`;
            return { key: `${key}_${way}`, value: median(rates), unit: "calls/s", note };
          }),
        );
      }
    }
    return figures;
  },
};
