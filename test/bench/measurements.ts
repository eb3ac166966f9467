// The measurements, one function each: what they print and the flat keys they give. Not here: the stage they stand on.
import type { Figure, Measurement } from "./figure.ts";
import { manyGoals } from "./many-goals.ts";
import { shapeCeiling } from "./shape-ceiling.ts";
import { CHAIN_COMMITS, insertCeiling, rowCeiling } from "./row-ceiling.ts";
import { sqlCeiling } from "./sql-ceiling.ts";
import type { LoadProcess } from "../support/load/remote.ts";
import { conductor } from "./conductor.ts";
import { artifacts } from "./transfers.ts";
import { WARM_UP_S, measureStream, median, pause, quantile } from "./stage.ts";
import type { Stage } from "./stage.ts";

/** Steps a second that a backlog is made for; a faster server gets shorter windows. */
const EXPECTED = 7_000;

/** Plans of ten steps that last for a warm-up and all windows. */
function backlogOf(stage: Stage): number {
  return Math.ceil((EXPECTED * (stage.seconds * stage.windows + WARM_UP_S)) / 0.9 / 10);
}

/** Longest time that a backlog is made in; a machine that commits slowly gets shorter windows. */
const FILL_MS = 30_000;

async function fill(
  stage: Stage,
  load: LoadProcess,
  options: { readonly plans: number; readonly capability: string; readonly scattered?: boolean },
): Promise<{ readonly plans: number; readonly perS: number }> {
  const beganMs = performance.now();
  const plans = await load.ask("fill", { ...options, limitMs: FILL_MS });
  const perS = (plans * 1_000) / (performance.now() - beganMs);
  stage.say(`  ${plans} plans committed, ${perS.toFixed(0)}/s`);
  return { plans, perS };
}

interface Variant {
  readonly name: string;
  readonly key: string;
  readonly streams: number;
  readonly slots: number;
  readonly orgs: number;
  readonly scattered?: boolean;
  readonly steps?: number;
}

function stream(variant: Variant): Measurement {
  return {
    name: variant.name,
    run: async (stage) =>
      await stage.withLoad(variant.orgs, async (load) => {
        const capability = variant.steps === undefined ? `bench.${variant.name}` : "load.work";
        let filled = { plans: (variant.steps ?? 0) / 10, perS: Number.NaN };
        if (variant.steps !== undefined) await load.ask("large", { steps: variant.steps });
        else
          filled = await fill(stage, load, {
            plans: backlogOf(stage),
            capability,
            scattered: variant.scattered === true,
          });
        await load.ask("executors", {
          streams: variant.streams,
          slots: variant.slots,
          capability,
          prefix: variant.name,
        });
        const figures = await measureStream(stage, load, filled.plans * 10);
        const { refusals, attaches } = await load.ask("counters");
        if (refusals > 0 || attaches > variant.streams)
          stage.say(`  ${refusals} outcomes refused, ${attaches} attachments for ${variant.streams} streams`);
        await load.ask("leave");
        const note = `windows ${figures.windows.map((w) => w.toFixed(0)).join(" ")}; server ${figures.serverUs.toFixed(0)} µs, client ${figures.clientUs.toFixed(0)} µs, Postgres ${Number.isNaN(figures.databaseUs) ? "unknown" : figures.databaseUs.toFixed(0)} µs of CPU a step; loop p99 ${figures.loopP99Ms.toFixed(1)} ms`;
        const out: Figure[] = [
          { key: variant.key, value: figures.stepsPerS, unit: "steps/s", ceiling: "shape_ceiling_steps_per_s", note },
        ];
        if (variant.name === "stream") {
          const idle = await stage.idle();
          out.push(
            {
              key: "event_loop_idle_p99_ms",
              value: idle.loopP99Ms,
              unit: "ms",
              note: "in the server, with nothing to do",
            },
            {
              key: "event_loop_p99_ms",
              value: figures.loopP99Ms,
              unit: "ms",
              ceiling: "event_loop_idle_p99_ms",
              note: "in the server, during the windows of 8 × 64",
            },
            { key: "rss_fresh_mb", value: idle.rssMb, unit: "MB", note: "of the server, a second after its start" },
            {
              key: "rss_mb",
              value: figures.rssMb,
              unit: "MB",
              ceiling: "rss_fresh_mb",
              note: "of the server, after the windows of 8 × 64",
            },
          );
          out.push({
            key: "plans_committed_per_s",
            value: filled.perS,
            unit: "plans/s",
            note: "Plan calls of ten steps, 16 in flight, no executors",
          });
        }
        return out;
      }),
  };
}

const shape: Measurement = {
  name: "shape",
  run: async (stage) => {
    await stage.withLoad(1, async (load) => {
      await fill(stage, load, { plans: backlogOf(stage) * 2, capability: "bench.shape" });
    });
    await stage.stopServer();
    const { best, windows } = await shapeCeiling(stage.url, stage.seconds / 2, stage.windows);
    return [
      {
        key: "shape_ceiling_steps_per_s",
        value: best,
        unit: "steps/s",
        ceiling: "sql_ceiling_steps_per_s",
        note: `the batch in process, 2 writers × 128; windows ${windows.map((w) => w.toFixed(0)).join(" ")}`,
      },
    ];
  },
};

const sql: Measurement = {
  name: "sql",
  run: async (stage) => {
    const { best, by100, by1000 } = await sqlCeiling(stage.url, Math.min(1.5, stage.seconds), stage.windows);
    return [
      {
        key: "sql_ceiling_steps_per_s",
        value: best,
        unit: "steps/s",
        note: `bare claim and complete; by 100 ${by100.toFixed(0)}, by 1,000 ${by1000.toFixed(0)}`,
      },
    ];
  },
};

/** Unary calls at once, of the mix and of the bare ones. */
const IN_FLIGHT = 32;

const unary: Measurement = {
  name: "unary",
  run: async (stage) =>
    await stage.withLoad(1, async (load) => {
      const bare = await load.ask("echo", { inFlight: IN_FLIGHT, seconds: Math.max(1, stage.seconds) });
      await fill(stage, load, {
        plans: Math.ceil((1_500 * 0.4 * (stage.seconds * stage.windows + WARM_UP_S)) / 10),
        capability: "bench.unary",
      });
      await load.ask("unaryStart", { inFlight: IN_FLIGHT, capability: "bench.unary" });
      await pause(WARM_UP_S * 1_000);
      let last = await load.ask("unaryRead");
      const rates: number[] = [];
      const latencies: number[] = [];
      for (let i = 0; i < stage.windows; i++) {
        await pause(stage.seconds * 1_000);
        const now = await load.ask("unaryRead");
        rates.push(((now.operations - last.operations) * 1_000) / (now.atMs - last.atMs));
        latencies.push(...now.latencies);
        last = now;
      }
      await load.ask("unaryStop");
      if (last.failed > 0) stage.say(`  ${last.failed} calls failed, the last with: ${last.why}`);
      return [
        {
          key: "unary_echo_per_s",
          value: bare.perS,
          unit: "calls/s",
          note: `health checks on the fast lane, ${IN_FLIGHT} in flight`,
        },
        { key: "unary_echo_p50_ms", value: median(bare.latencies), unit: "ms" },
        {
          key: "unary_ops_per_s",
          value: median(rates),
          unit: "calls/s",
          ceiling: "unary_echo_per_s",
          note: `${IN_FLIGHT} in flight; ${last.empty} empty DispatchNext, ${last.failed} failed`,
        },
        {
          key: "unary_p50_ms",
          value: median(latencies),
          unit: "ms",
          ceiling: "unary_echo_p50_ms",
          note: `p99 ${quantile(latencies, 0.99).toFixed(1)} ms`,
        },
      ];
    }),
};

const latency: Measurement = {
  name: "latency",
  run: async (stage) =>
    await stage.withLoad(1, async (load) => {
      const rows = await rowCeiling(stage.url, Math.round(200 * stage.seconds));
      await load.ask("executors", { streams: 8, slots: 64, prefix: "latency" });
      await load.ask("latency", { count: 20, perSecond: 20 });
      const { ready, submit } = await load.ask("latency", { count: Math.round(60 * stage.seconds), perSecond: 20 });
      await load.ask("chains", { count: 10 });
      const chains = await load.ask("chains", { count: Math.round(30 * stage.seconds) });
      await load.ask("leave");
      return [
        {
          key: "sql_commit_p50_ms",
          value: rows.commitP50Ms,
          unit: "ms",
          note: `UPDATE of one row and COMMIT, there and back, ${rows.commits} in turn`,
        },
        { key: "sql_commit_p99_ms", value: rows.commitP99Ms, unit: "ms" },
        { key: "sql_chain3_p50_ms", value: rows.chainP50Ms, unit: "ms", note: `${CHAIN_COMMITS} of them in turn` },
        {
          key: "ready_received_p50_ms",
          value: median(ready),
          unit: "ms",
          ceiling: "sql_commit_p50_ms",
          note: `${ready.length} single steps at 20/s; Plan called → received p50 ${median(submit).toFixed(1)} ms`,
        },
        { key: "ready_received_p99_ms", value: quantile(ready, 0.99), unit: "ms", ceiling: "sql_commit_p99_ms" },
        {
          key: "chain3_p50_ms",
          value: median(chains),
          unit: "ms",
          ceiling: "sql_chain3_p50_ms",
          note: `${chains.length} chains in turn, Plan called → third outcome acknowledged; p99 ${quantile(chains, 0.99).toFixed(1)} ms`,
        },
      ];
    }),
};

const large: Measurement = {
  name: "commit",
  run: async (stage) =>
    await stage.withLoad(1, async (load) => {
      const bare = await insertCeiling(stage.url, 10_000);
      const runs = [
        await load.ask("large", { steps: 10_000 }),
        await load.ask("large", { steps: 10_000 }),
        await load.ask("large", { steps: 10_000 }),
      ];
      const refine = median(runs.map((run) => run.refineMs)) / 1_000;
      return [
        {
          key: "sql_insert_10k_rows_s",
          value: bare,
          unit: "s",
          note: "10,000 bare rows with inputs of 200 bytes, one INSERT",
        },
        {
          key: "commit_10k_steps_s",
          value: median(runs.map((run) => run.commitMs)) / 1_000,
          unit: "s",
          ceiling: "sql_insert_10k_rows_s",
          note: `refined in ${refine.toFixed(2)} s before, in pages of 2,000`,
        },
      ];
    }),
};

const goals: Measurement = {
  name: "goals",
  onlyAsked: true,
  run: async (stage) => {
    const client = await stage.client();
    try {
      const { goals: count, worstP50Ms, each } = await manyGoals(stage.url, client);
      const found = each.map((it) => `${it.filter}: p50 ${it.p50Ms.toFixed(1)}, p99 ${it.p99Ms.toFixed(1)} ms`);
      return [
        {
          key: "query_million_p50_ms",
          value: worstP50Ms,
          unit: "ms",
          note: `first page of a filter over ${count.toLocaleString("en")} goals, the slowest of ${found.join("; ")}`,
        },
      ];
    } finally {
      client.close();
    }
  },
};

/** In the order in which they are run: what may leave a backlog behind comes after what must be idle. */
export const MEASUREMENTS: readonly Measurement[] = [
  sql,
  latency,
  stream({ name: "stream", key: "stream_steps_per_s", streams: 8, slots: 64, orgs: 1 }),
  // Beside what it is the ceiling of: the tables grow with each measurement, and the database tidies up after it.
  shape,
  stream({ name: "8x16", key: "stream_steps_per_s_8x16", streams: 8, slots: 16, orgs: 1 }),
  stream({ name: "scattered", key: "stream_steps_per_s_scattered", streams: 8, slots: 64, orgs: 1, scattered: true }),
  stream({ name: "orgs", key: "stream_steps_per_s_100_orgs", streams: 100, slots: 8, orgs: 100 }),
  unary,
  stream({ name: "one-plan", key: "stream_steps_per_s_one_plan", streams: 8, slots: 64, orgs: 1, steps: 20_000 }),
  large,
  goals,
  artifacts,
  conductor,
];
