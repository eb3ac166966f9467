// A plan that is watched as a browser does it: over Connect and gRPC-Web on fetch, across a server's restart, and by a reader that
// is slow. Not here: what happens on other transports (test/transport/streams.test.ts), and a real browser (test/clients).
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import type { WatchPlanResponse } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { StepStateSchema } from "../../gen/maestro/v1/step_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { attach, success } from "../transport/peers.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
  await createClient(MaestroService, native()).declareCharter({ name: "watched", terms: {} });
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

const native = (): Transport => createGrpcTransport({ baseUrl: server.wideUrl });
const browsers: Readonly<Record<string, () => Transport>> = {
  Connect: () => createConnectTransport({ baseUrl: server.wideUrl }),
  "gRPC-Web": () => createGrpcWebTransport({ baseUrl: server.wideUrl }),
};

async function plan(capability: string, keys: readonly string[]): Promise<string> {
  const made = await createClient(MaestroService, native()).plan({
    target: { case: "newGoal", value: { charter: "watched", spec: { name: capability } } },
    steps: keys.map((key) => ({ key, kind: { case: "work" as const, value: { capability } } })),
  });
  return made.plan?.planId ?? "";
}

/** A reader that keeps what a client would keep: the events it saw, and the cursor to go on from. */
class Reader {
  readonly planId: string;
  readonly sequences: bigint[] = [];
  readonly kinds: string[] = [];
  cursor = 0n;
  ended = false;

  constructor(planId: string) {
    this.planId = planId;
  }

  /** Watches from the cursor on, until the stream ends or enough was seen. */
  async watch(transport: Transport, enough: (reader: Reader) => boolean = () => false): Promise<void> {
    const gone = new AbortController();
    const watch = createClient(PlanService, transport).watchPlan(
      { planId: this.planId, after: this.cursor },
      { signal: gone.signal },
    );
    let first = true;
    for await (const { message } of watch) {
      if (first) expect(message.case).toBe("snapshot");
      first = false;
      this.#take(message);
      if (!enough(this)) continue;
      gone.abort();
      return;
    }
  }

  #take(message: WatchPlanResponse["message"]): void {
    if (message.case === "event" && message.value.sequence > 0n) {
      this.sequences.push(message.value.sequence);
      this.kinds.push(message.value.kind);
    }
    if (message.case === "checkpoint") this.cursor = message.value.after;
    if (message.case === "ended") this.ended = true;
  }
}

describe.each(Object.keys(browsers))("over %s", (name) => {
  const transport = (): Transport => {
    const make = browsers[name];
    if (make === undefined) throw new Error(name);
    return make();
  };
  const lane = name.toLowerCase();

  test("a watch is broken off and taken up at its cursor: nothing is lost, nothing comes twice", async () => {
    const planId = await plan(`break-${lane}`, ["a", "b", "c"]);
    const steps = createClient(StepService, native());
    const reader = new Reader(planId);
    for (const step of ["a", "b", "c"]) {
      const { cursor } = reader;
      const seen = reader.watch(transport(), (r) => r.cursor > cursor && r.kinds.length > 0);
      await steps.skipStep({ planId, step });
      await seen;
    }
    if (!reader.ended) await reader.watch(transport());
    expect(reader.sequences).toEqual(reader.sequences.map((_, i) => BigInt(i + 1)));
    expect(reader.kinds.filter((kind) => kind === "step.skip")).toHaveLength(3);
    expect(reader.kinds).toContain("plan.completed");
    expect(reader.ended).toBe(true);
  });

  test("a server that goes down says so, and the next one goes on from the cursor", async () => {
    const planId = await plan(`restart-${lane}`, ["a", "b"]);
    const reader = new Reader(planId);
    await createClient(StepService, native()).holdStep({ planId, step: "a" });
    await reader.watch(transport(), (r) => r.kinds.includes("step.hold") && r.cursor === r.sequences.at(-1));
    const open = Promise.withResolvers<void>();
    const broken = refused(reader.watch(transport(), () => (open.resolve(), false)));
    await open.promise;
    await server.end();
    expect((await broken).refusal.reason).toBe(RefusalReason.DRAINING);
    server = await startServer({ databaseUrl: database.url });
    const rest = reader.watch(transport());
    for (const step of ["a", "b"]) await createClient(StepService, native()).skipStep({ planId, step });
    await rest;
    expect(reader.sequences).toEqual(reader.sequences.map((_, i) => BigInt(i + 1)));
    expect(reader.kinds.filter((kind) => kind.startsWith("step."))).toEqual(["step.hold", "step.skip", "step.skip"]);
    expect(reader.ended).toBe(true);
  });

  test("a reader that does not keep up is told so, and resumes from the cursor that it is given", async () => {
    const executor = attach(createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` }));
    const spec = { name: `loud-${lane}`, capabilities: [`loud-${lane}`], slots: 1 };
    executor.say({ case: "hello", value: { spec, incarnation: "1" } });
    const planId = await plan(`loud-${lane}`, ["loud"]);
    const { assignments } = await executor.hear("assignments");
    const lease = assignments[0]?.lease;
    if (lease === undefined) throw new Error("nothing was leased");
    const gone = new AbortController();
    const plans = createClient(PlanService, transport());
    const watch = plans.watchPlan({ planId, logs: true }, { signal: gone.signal })[Symbol.asyncIterator]();
    await watch.next();
    // Forty megabytes that nobody reads: more than connection and server keep.
    const lines = Array.from({ length: 100 }, () => ({ text: "x".repeat(16_000) }));
    for (let i = 0; i < 25; i++) executor.say({ case: "renewals", value: { renewals: [{ lease, lines }] } });
    executor.say({ case: "outcomes", value: { outcomes: [success(assignments[0])] } });
    await executor.acks();
    executor.end();
    const slow = await refused(drained(watch));
    expect(slow.refusal.reason).toBe(RefusalReason.SLOW_READER);
    const reader = new Reader(planId);
    reader.cursor = BigInt(slow.refusal.metadata["after"] ?? "-1");
    const from = reader.cursor;
    await reader.watch(transport());
    expect(reader.sequences.at(0)).toBe(from + 1n);
    expect(reader.kinds.at(-1)).toBe("plan.completed");
    expect(reader.ended).toBe(true);
  });
});

test("whoever follows a plan learns what every step becomes, in order: skipped ones and those that wait for an approver, too", async () => {
  const work = { case: "work" as const, value: { capability: "told" } };
  const made = await createClient(MaestroService, native()).plan({
    target: { case: "newGoal", value: { charter: "watched", spec: { name: "told" } } },
    steps: [
      { key: "first", kind: work },
      { key: "asked", kind: work, needs: [{ step: "first" }], requiresApproval: true },
      { key: "never", kind: work, needs: [{ step: "first" }], condition: "1 > 2" },
      { key: "behind", kind: work, needs: [{ step: "never" }] },
      { key: "then", kind: work, needs: [{ step: "first" }] },
    ],
  });
  const planId = made.plan?.planId ?? "";
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { message } of createClient(PlanService, native()).watchPlan({ planId, after: 1n })) {
      if (message.case !== "event") continue;
      const { kind, step, changes } = message.value;
      if (kind === "step.leased") seen.push(`${step} LEASED`);
      seen.push(...changes.map((change) => `${change.step} ${StepStateSchema.value[change.state]?.localName ?? ""}`));
      if (seen.includes("then SUCCEEDED")) return;
    }
  })();
  const executor = attach(native());
  executor.say({
    case: "hello",
    value: { spec: { name: "told", capabilities: ["told"], slots: 1 }, incarnation: "1" },
  });
  for (let i = 0; i < 2; i++) {
    const { assignments } = await executor.hear("assignments");
    executor.say({ case: "outcomes", value: { outcomes: [success(assignments[0])] } });
  }
  await reading;
  executor.end();
  const of = (key: string): readonly string[] =>
    seen.flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []));
  expect(of("asked")).toEqual(["AWAITING_APPROVAL"]);
  expect(of("never")).toEqual(["SKIPPED"]);
  expect(of("behind")).toEqual(["SKIPPED"]);
  expect(of("then")).toEqual(["READY", "LEASED", "SUCCEEDED"]);
});

async function drained(reader: AsyncIterator<unknown>): Promise<void> {
  for (let next = await reader.next(); next.done !== true; next = await reader.next());
}
