// The streams: an executor's, on both listeners, and a plan's watchers. Real work flows through them; nothing is imitated.
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DispatchService } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import type { WatchPlanResponse } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { StepState } from "../../gen/maestro/v1/step_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { all, attach, success } from "./peers.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

let server: TestServer;
let wide: Transport;
const listeners: Readonly<Record<string, () => Transport>> = {
  "the wide port": () => createGrpcTransport({ baseUrl: server.wideUrl }),
  "the fast lane": () => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` }),
};

beforeAll(async () => {
  server = await startServer();
  wide = createGrpcTransport({ baseUrl: server.wideUrl });
  await createClient(MaestroService, wide).declareCharter({ name: "streams", terms: {} });
});
afterAll(() => server.end());

const spec = (name: string, capability: string) => ({ name, capabilities: [capability], slots: 4 });

async function plan(capability: string, keys: readonly string[]) {
  const steps = keys.map((key, i) => {
    const before = keys[i - 1];
    return {
      key,
      kind: { case: "work" as const, value: { capability } },
      needs: before === undefined ? [] : [{ step: before }],
      input: { value: { case: "json" as const, value: JSON.stringify({ key }) } },
    };
  });
  const made = await createClient(MaestroService, wide).plan({
    target: { case: "newGoal", value: { charter: "streams", spec: { name: capability } } },
    steps,
  });
  return made.plan?.planId ?? "";
}

async function eventsOf(planId: string, after = 0n): Promise<readonly WatchPlanResponse[]> {
  return all(createClient(PlanService, wide).watchPlan({ planId, after }));
}

describe.each(Object.keys(listeners))("an executor's stream on %s", (name) => {
  const transport = (): Transport => {
    const make = listeners[name];
    if (make === undefined) throw new Error(name);
    return make();
  };
  const lane = name.replaceAll(" ", "-");

  test("gets a welcome at once, steps as they become ready, and an answer to each outcome", async () => {
    const stream = attach(transport());
    stream.say({ case: "hello", value: { spec: spec(`worker-${lane}`, `do-${lane}`), incarnation: "one" } });
    const first = await stream.next();
    expect(first?.message.case).toBe("welcome");
    expect(first?.acknowledged).toBe(1n);
    const planId = await plan(`do-${lane}`, ["a", "b"]);
    for (const key of ["a", "b"]) {
      const { assignments } = await stream.hear("assignments");
      expect(assignments).toMatchObject([{ lease: { planId, step: key }, attempt: 1, capability: `do-${lane}` }]);
      stream.say({ case: "outcomes", value: { outcomes: [success(assignments[0], `{"did":"${key}"}`)] } });
    }
    const acks = await stream.acks();
    expect(acks[0]?.result).toMatchObject({
      case: "receipt",
      value: { stepState: StepState.SUCCEEDED, recordUri: expect.stringMatching(/^max:\/\/record\/rec_/) as string },
    });
    const events = await eventsOf(planId);
    expect(events.at(0)?.message.case).toBe("snapshot");
    expect(events.at(-1)).toMatchObject({ message: { case: "ended", value: { state: PlanState.COMPLETED } } });
    stream.end();
    await expect(stream.hear("goodbye")).rejects.toThrow("ended");
  });

  test("is handed the first step by the commit itself when it waits for such steps", async () => {
    const stream = attach(transport());
    stream.say({ case: "hello", value: { spec: spec(`waits-${lane}`, `wait-${lane}`), incarnation: "one" } });
    // The first plan brings its kind of work; from then on the server knows that nothing older waits.
    for (const round of [1, 2, 3]) {
      const planId = await plan(`wait-${lane}`, ["only"]);
      const { assignments } = await stream.hear("assignments");
      stream.say({ case: "outcomes", value: { outcomes: [success(assignments[0])] } });
      await stream.acks();
      const { attempts } = await createClient(StepService, wide).listAttempts({ planId, step: "only" });
      expect(attempts).toHaveLength(1);
      if (round > 1) expect(attempts[0]?.leasedAt).toEqual(assignments[0]?.readyAt);
      expect(assignments[0]?.input?.value.value).toBe(JSON.stringify({ key: "only" }));
    }
    stream.end();
  });

  test("refuses one unreadable outcome and takes the others", async () => {
    const stream = attach(transport());
    stream.say({ case: "hello", value: { spec: spec(`picky-${lane}`, `pick-${lane}`), incarnation: "one" } });
    await plan(`pick-${lane}`, ["only"]);
    const { assignments } = await stream.hear("assignments");
    for (const outputs of ["{not json", "[1]", '"text"']) {
      stream.say({ case: "outcomes", value: { outcomes: [success(assignments[0], outputs)] } });
      const bad = await stream.acks();
      expect(bad[0]?.result).toMatchObject({ case: "refusal", value: { reason: RefusalReason.INVALID_REQUEST } });
    }
    stream.say({ case: "outcomes", value: { outcomes: [success(assignments[0], "{}")] } });
    const good = await stream.acks();
    expect(good[0]?.result.case).toBe("receipt");
    stream.end();
  });

  test("must begin with a hello, and number its messages", async () => {
    const silent = attach(transport());
    silent.say({ case: "drain", value: {} });
    await expect(silent.next()).rejects.toMatchObject({ code: 3 });
    const twice = attach(transport());
    twice.say({ case: "hello", value: { spec: spec(`twice-${lane}`, "x"), incarnation: "one" } });
    twice.say({ case: "hello", value: { spec: spec(`twice-${lane}`, "x"), incarnation: "one" } });
    const { refusal } = await twice.hear("goodbye");
    expect(refusal).toMatchObject({ reason: RefusalReason.INVALID_REQUEST });
  });

  test("pushes one way to a subscriber, which reports by call", async () => {
    const gone = new AbortController();
    const subscription = createClient(DispatchService, transport()).subscribe(
      { spec: spec(`sub-${lane}`, `sub-${lane}`), incarnation: "one" },
      { signal: gone.signal },
    );
    await plan(`sub-${lane}`, ["one"]);
    let executorId = "";
    for await (const { message } of subscription) {
      if (message.case === "welcome") executorId = message.value.executorId;
      if (message.case !== "assignments") continue;
      const { results } = await createClient(MaestroService, transport()).reportOutcome({
        executorId,
        outcomes: [success(message.value.assignments[0])],
      });
      expect(results[0]?.result.case).toBe("receipt");
      break;
    }
    gone.abort();
  });
});

describe("executors that call", () => {
  test("lease by DispatchNext under a key once, renew, and report", async () => {
    const { executor } = await createClient(ExecutorService, wide).registerExecutor({ spec: spec("caller", "call") });
    const executorId = executor?.executorId ?? "";
    const maestro = createClient(MaestroService, wide);
    const planId = await plan("call", ["one"]);
    const request = { executorId, maxSteps: 5, wait: { seconds: 5n }, idempotencyKey: "next-1" };
    const first = await maestro.dispatchNext(request);
    expect(first.assignments).toMatchObject([{ lease: { planId, step: "one" } }]);
    const again = await maestro.dispatchNext(request);
    expect(again.assignments.map((a) => a.lease?.fencing)).toEqual(first.assignments.map((a) => a.lease?.fencing));
    const lease = first.assignments[0]?.lease;
    const line = { stream: "stdout", text: "half way" };
    const { renewed } = await createClient(DispatchService, wide).renewLeases({
      executorId,
      renewals: [{ ...(lease === undefined ? {} : { lease }), progress: 0.5, lines: [line] }],
    });
    expect(renewed).toHaveLength(1);
    const [logs] = await all(createClient(StepService, wide).tailLogs({ planId, step: "one" }));
    expect(logs?.lines).toMatchObject([line]);
    const { results } = await maestro.reportOutcome({ executorId, outcomes: [success(first.assignments[0])] });
    expect(results[0]?.result).toMatchObject({ case: "receipt", value: { duplicate: false } });
    const repeat = await maestro.reportOutcome({ executorId, outcomes: [success(first.assignments[0])] });
    expect(repeat.results[0]?.result).toMatchObject({ case: "receipt", value: { duplicate: true } });
  });
});

describe("a log", () => {
  test("that is followed waits for a step that has not begun, and ends with the step", async () => {
    const planId = await plan("logged", ["late"]);
    const heard = all(createClient(StepService, wide).tailLogs({ planId, step: "late", follow: true }));
    const executor = attach(wide);
    executor.say({ case: "hello", value: { spec: spec("logged", "logged"), incarnation: "one" } });
    const { assignments } = await executor.hear("assignments");
    const line = { stream: "stdout", text: "at last" };
    const lease = assignments[0]?.lease;
    executor.say({ case: "renewals", value: { renewals: [{ ...(lease && { lease }), lines: [line] }] } });
    executor.say({ case: "outcomes", value: { outcomes: [success(assignments[0])] } });
    expect((await heard).flatMap(({ lines }) => lines)).toMatchObject([line]);
    executor.end();
  });
});

describe("a watch", () => {
  test("resumes after a cursor without repeating or losing an event, and refuses one from the future", async () => {
    const executor = attach(wide);
    executor.say({ case: "hello", value: { spec: spec("watched", "watched"), incarnation: "one" } });
    const planId = await plan("watched", ["a", "b", "c"]);
    for (let i = 0; i < 3; i++) {
      const { assignments } = await executor.hear("assignments");
      executor.say({ case: "outcomes", value: { outcomes: [success(assignments[0])] } });
    }
    const known = (await eventsOf(planId)).flatMap(({ message }) =>
      message.case === "event" && message.value.sequence > 0n ? [message.value.sequence] : [],
    );
    expect(known).toEqual(known.map((_, i) => BigInt(i + 1)));
    const rest = (await eventsOf(planId, 2n)).flatMap(({ message }) =>
      message.case === "event" ? [message.value.sequence] : [],
    );
    expect(rest).toEqual(known.slice(2));
    await expect(eventsOf(planId, 10_000n)).rejects.toMatchObject({ code: 3 });
    await expect(eventsOf("plan_01h455vb4pex5vsknk084sn02q")).rejects.toMatchObject({ code: 5 });
    executor.end();
  });
});
