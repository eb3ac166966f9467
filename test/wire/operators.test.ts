// What operators do over the wire to steps that a real executor performs: undo, retry, resolve, run again, many at once. Not here:
// what each verb means in every state (test/domain), and their stores (test/operations).
import { createClient } from "@connectrpc/connect";
import type { Client, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { PlanService, PlanVerb, WaitCause } from "../../gen/maestro/v1/plan_service_pb.ts";
import type { PlanEvent } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { AttemptState, ErrorClass, StepState } from "../../gen/maestro/v1/step_pb.ts";
import { RerunOrder, StepService, StepVerb } from "../../gen/maestro/v1/step_service_pb.ts";
import { Executor, PermanentError } from "../../src/executor/executor.ts";
import type { ExecutorEvent } from "../../src/executor/executor.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { all } from "../transport/peers.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

let database: TestDatabase;
let server: TestServer;
let transport: Transport;
const executors: Executor[] = [];

beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
  transport = createGrpcTransport({ baseUrl: server.wideUrl });
  await maestro().declareCharter({ name: "operators", terms: {} });
});
afterEach(() => {
  for (const executor of executors.splice(0)) executor.close();
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

const maestro = (): Client<typeof MaestroService> => createClient(MaestroService, transport);
const plans = (): Client<typeof PlanService> => createClient(PlanService, transport);
const steps = (): Client<typeof StepService> => createClient(StepService, transport);
const json = (value: unknown) => ({ value: { case: "json" as const, value: JSON.stringify(value) } });

function executor(name: string, observe: (event: ExecutorEvent) => void = () => undefined): Executor {
  const made = new Executor({ url: `http://${server.grpcUrl}`, name, slots: 1, drainOn: [], observe });
  executors.push(made);
  return made;
}

interface Step {
  readonly key: string;
  readonly capability: string;
  readonly input?: unknown;
  readonly needs?: readonly string[];
  /** Capability and input of its compensation. */
  readonly undo?: readonly [string, unknown];
}

async function plan(name: string, wanted: readonly Step[]): Promise<string> {
  const made = await maestro().plan({
    target: { case: "newGoal", value: { charter: "operators", spec: { name, labels: { test: name } } } },
    steps: wanted.map(({ key, capability, input = {}, needs = [], undo }) => ({
      key,
      kind: { case: "work" as const, value: { capability } },
      input: json(input),
      needs: needs.map((step) => ({ step })),
      ...(undo === undefined ? {} : { compensation: { capability: undo[0], input: json(undo[1]) } }),
    })),
  });
  return made.plan?.planId ?? "";
}

/** Everything that is recorded until the plan ends, from a sequence on. */
async function untilEnd(planId: string, after = 0n): Promise<readonly PlanEvent[]> {
  const messages = await all(plans().watchPlan({ planId, after }));
  return messages.flatMap(({ message }) =>
    message.case === "event" && message.value.sequence > 0n ? [message.value] : [],
  );
}

async function statesOf(planId: string): Promise<Readonly<Record<string, string | undefined>>> {
  const { steps: listed } = await steps().listSteps({ planId });
  const names = new Map<number, string>(Object.entries(StepState).map(([word, number]) => [number, word]));
  return Object.fromEntries(listed.map(({ key, state }) => [key, names.get(state)]));
}

describe("a plan that fails", () => {
  test("is undone in reverse order with what its steps came to; what could not be undone is retried, or resolved by hand", async () => {
    const undone: unknown[] = [];
    const [refunding, mayRefund] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const agency = executor("agency")
      .on("trip.book", () => ({ booking: "B-7" }))
      .on("trip.pay", () => ({ payment: "P-9" }))
      .on("trip.ship", () => {
        throw new PermanentError("no boat");
      })
      .on("trip.refund", async ({ input }, { purpose, attempt }) => {
        undone.push([purpose, input]);
        if (attempt === 2) throw new PermanentError("the bank is closed");
        refunding.resolve();
        await mayRefund.promise;
      })
      .on("trip.cancel", ({ input }, { purpose }) => {
        undone.push([purpose, input]);
        throw new PermanentError("nobody answers");
      });
    await agency.start();
    const planId = await plan("trip", [
      { key: "book", capability: "trip.book", undo: ["trip.cancel", { id: "${{ steps.book.outputs.booking }}" }] },
      {
        key: "pay",
        capability: "trip.pay",
        input: { for: "${{ steps.book.outputs.booking }}" },
        undo: ["trip.refund", { id: "${{ steps.pay.outputs.payment }}", of: "${{ steps.book.outputs.booking }}" }],
      },
      { key: "ship", capability: "trip.ship", needs: ["pay"] },
    ]);
    const first = await untilEnd(planId);
    expect(undone).toEqual([
      ["compensate", { id: "P-9", of: "B-7" }],
      ["compensate", { id: "B-7" }],
    ]);
    expect(await statesOf(planId)).toEqual({ book: "COMPENSATION_FAILED", pay: "COMPENSATION_FAILED", ship: "FAILED" });
    const { summary } = await plans().explainPlan({ planId });
    expect(summary).toContain("FAILED (step ship failed: no boat)");
    expect(summary).toContain("Not undone: book, pay");

    await steps().retryStep({ planId, step: "pay", reason: "the bank has opened", idempotencyKey: "retry-pay" });
    await refunding.promise;
    const during = await plans().explainPlan({ planId });
    expect(during.waiting).toMatchObject([
      { step: "pay", cause: WaitCause.OUTCOME, explanation: "agency performs its compensation." },
    ]);
    const busy = await refused(steps().retryStep({ planId, step: "book", idempotencyKey: "retry-book" }));
    expect(busy.refusal).toMatchObject({ reason: RefusalReason.STATE_CONFLICT, retryable: true });
    mayRefund.resolve();
    const second = await untilEnd(planId, first.at(-1)?.sequence ?? 0n);
    expect(second.map((event) => event.kind)).toEqual(["step.retry", "outcome.report", "plan.failed"]);

    await steps().resolveStep({
      planId,
      step: "book",
      reason: "cancelled by telephone",
      result: { case: "success", value: {} },
      idempotencyKey: "resolve-book",
    });
    const third = await untilEnd(planId, second.at(-1)?.sequence ?? 0n);
    expect(third).toMatchObject([{ kind: "step.resolve", step: "book", message: "cancelled by telephone" }]);
    expect(await statesOf(planId)).toEqual({ book: "COMPENSATED", pay: "COMPENSATED", ship: "FAILED" });
    const { attempts } = await steps().listAttempts({ planId, step: "book" });
    expect(attempts.map(({ state, executorId }) => [state, executorId === ""])).toEqual([
      [AttemptState.SUCCEEDED, false],
      [AttemptState.FAILED, false],
      [AttemptState.SUCCEEDED, true],
    ]);
    expect((await plans().getPlan({ planId })).plan?.state).toBe(PlanState.FAILED);
    expect((await plans().explainPlan({ planId })).summary).not.toContain("Not undone");
  });
});

describe("a step", () => {
  test("that is resolved by hand is taken from its executor, which is told to stop and may go on with others", async () => {
    const [begun, interrupted, late] = [
      Promise.withResolvers<void>(),
      Promise.withResolvers<string>(),
      Promise.withResolvers<ExecutorEvent>(),
    ];
    const worker = executor("stuck", (event) => {
      if (event.kind === "outcome refused") late.resolve(event);
    })
      .on("stuck.wait", async (_step, { signal }) => {
        begun.resolve();
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
        interrupted.resolve(String((signal.reason as Error).message));
        throw signal.reason;
      })
      .on("stuck.next", ({ input }) => ({ got: (input as { of: string }).of }));
    await worker.start();
    const planId = await plan("stuck", [
      { key: "wait", capability: "stuck.wait" },
      { key: "next", capability: "stuck.next", input: { of: "${{ steps.wait.outputs.answer }}" } },
    ]);
    await begun.promise;
    const wish = {
      planId,
      step: "wait",
      reason: "I asked by telephone",
      result: { case: "success" as const, value: { outputs: json({ answer: "yes" }) } },
      idempotencyKey: "resolve-once",
    };
    const wrong = await refused(steps().resolveStep({ ...wish, expectedFencing: 1n, idempotencyKey: "resolve-old" }));
    expect(wrong.refusal.reason).toBe(RefusalReason.STALE_LEASE);
    const { step } = await steps().resolveStep(wish);
    expect(step).toMatchObject({ state: StepState.SUCCEEDED, executorId: "", outputs: json({ answer: "yes" }) });
    expect(await steps().resolveStep(wish)).toMatchObject({ step: { fencing: step?.fencing } });
    expect(await interrupted.promise).toContain("I asked by telephone");
    expect(await late.promise).toMatchObject({ key: "wait", reason: expect.stringContaining("STALE_LEASE") as string });
    await untilEnd(planId);
    const { step: next } = await steps().getStep({ planId, step: "next" });
    expect(next?.outputs?.value.value).toBe('{"got":"yes"}');
    const failed = await refused(
      steps().resolveStep({
        planId,
        step: "next",
        reason: "no",
        result: { case: "failure", value: { errorClass: ErrorClass.PERMANENT, message: "no" } },
      }),
    );
    expect(failed.refusal).toMatchObject({ reason: RefusalReason.STATE_CONFLICT, metadata: { kind: "step" } });
  });

  test("that is done runs again, and with a cascade so does what took its value", async () => {
    let count = 0;
    const gate = Promise.withResolvers<void>();
    const worker = executor("counter")
      .on("count.up", () => ({ n: (count += 1) }))
      .on("count.double", ({ input }) => ({ n: (input as { n: number }).n * 2 }))
      .on("count.wait", () => gate.promise);
    await worker.start();
    const planId = await plan("count", [
      { key: "one", capability: "count.up" },
      { key: "two", capability: "count.double", input: { n: "${{ steps.one.outputs.n }}" } },
      { key: "last", capability: "count.wait", needs: ["two"] },
    ]);
    for await (const { message } of plans().watchPlan({ planId }))
      if (message.case === "event" && message.value.kind === "step.leased" && message.value.step === "last") break;
    const wish = { planId, step: "one", cascade: true, reason: "once more" };
    expect(await steps().rerunStep({ ...wish, dryRun: true })).toMatchObject({
      step: { state: StepState.SUCCEEDED },
      rerunSteps: ["two"],
      notCompensableSteps: ["one", "two"],
    });
    const answer = await steps().rerunStep({ ...wish, idempotencyKey: "again" });
    expect(await steps().rerunStep({ ...wish, idempotencyKey: "again" })).toEqual(answer);
    gate.resolve();
    await untilEnd(planId);
    const { step } = await steps().getStep({ planId, step: "two" });
    expect([count, step?.outputs?.value.value]).toEqual([2, '{"n":4}']);
  });

  test("runs again once its effect is undone, with what the old run came to; an undoing that failed is retried by its row", async () => {
    let count = 0;
    const seen: unknown[] = [];
    const worker = executor("maker")
      .on("make", () => ({ n: (count += 1) }))
      .on("unmake", ({ input }) => {
        seen.push([input, count]);
        if (seen.length === 1) throw new PermanentError("it sticks");
      });
    await worker.start();
    const planId = await plan("makes", [
      { key: "thing", capability: "make", undo: ["unmake", { n: "${{ steps.thing.outputs.n }}" }] },
      { key: "last", capability: "nobody.does", needs: ["thing"] },
    ]);
    const thing = async () => (await steps().getStep({ planId, step: "thing" })).step;
    await expect.poll(async () => (await thing())?.state, { timeout: 15_000 }).toBe(StepState.SUCCEEDED);
    const { ordinal = 0 } = (await thing()) ?? {};
    const wish = { planId, step: "thing", idempotencyKey: "make again" };
    expect(await steps().rerunStep(wish)).toMatchObject({
      step: { state: StepState.PENDING, waitingOn: 1 },
      compensatedSteps: ["thing"],
    });
    const waits = async () => (await plans().explainPlan({ planId, step: "thing" })).waiting[0];
    await expect.poll(async () => (await waits())?.explanation, { timeout: 15_000 }).toContain("could not be undone");
    expect((await waits())?.cause).toBe(WaitCause.PREDECESSOR);
    expect(await steps().retryStep({ planId, step: "thing", ordinal })).toMatchObject({
      step: { ordinal, state: StepState.COMPENSATING },
    });
    await expect.poll(async () => (await thing())?.outputs?.value.value, { timeout: 15_000 }).toBe('{"n":2}');
    expect(seen).toEqual([
      [{ n: 1 }, 1],
      [{ n: 1 }, 1],
    ]);
    const atOnce = { ...wish, idempotencyKey: "once more", order: RerunOrder.AT_ONCE };
    const states = [StepState.READY, StepState.LEASED];
    expect(states).toContain((await steps().rerunStep(atOnce)).step?.state);
    await expect.poll(async () => (await thing())?.outputs?.value.value, { timeout: 15_000 }).toBe('{"n":3}');
  });

  test("is one of many that are skipped by a pattern; plans are cancelled by a filter", async () => {
    const planId = await plan(
      "many",
      ["a-1", "a-2", "b-1"].map((key) => ({ key, capability: "nobody.does" })),
    );
    const wish = { planId, verb: StepVerb.SKIP, keys: "a-*", pageSize: 1 };
    expect(await steps().changeSteps({ ...wish, dryRun: true })).toMatchObject({ matched: 2, nextPageToken: "" });
    const first = await steps().changeSteps({ ...wish, idempotencyKey: "skip-1" });
    expect(first).toMatchObject({ steps: ["a-1"], refused: [] });
    const rest = { ...wish, pageToken: first.nextPageToken, idempotencyKey: "skip-2" };
    expect(await steps().changeSteps(rest)).toMatchObject({ steps: ["a-2"] });
    expect(await steps().changeSteps({ ...wish, dryRun: true })).toMatchObject({
      matched: 0,
      passedOver: [{ reason: RefusalReason.STATE_CONFLICT, state: "SKIPPED", count: 2, examples: ["a-1", "a-2"] }],
    });
    expect(await statesOf(planId)).toEqual({ "a-1": "SKIPPED", "a-2": "SKIPPED", "b-1": "READY" });
    expect((await refused(steps().changeSteps({ ...rest, keys: "b-*" }))).refusal.reason).toBe(
      RefusalReason.INVALID_REQUEST,
    );
    const cancel = { verb: PlanVerb.CANCEL, charter: "operators", filter: 'labels.test == "many"', reason: "enough" };
    expect(await plans().changePlans({ ...cancel, dryRun: true })).toMatchObject({ matched: 1, planIds: [planId] });
    expect(await plans().changePlans(cancel)).toMatchObject({ planIds: [planId], nextPageToken: "" });
    expect((await plans().getPlan({ planId })).plan?.state).toBe(PlanState.CANCELLED);
    const held = await plan("held over", [{ key: "a", capability: "nobody.does" }]);
    const resume = { verb: PlanVerb.RESUME, charter: "operators", filter: 'labels.test == "held over"' };
    expect(await plans().changePlans(resume)).toMatchObject({
      matched: 0,
      passedOver: [{ reason: RefusalReason.STATE_CONFLICT, state: "ACTIVE", count: 1, examples: [held] }],
    });
    expect((await refused(plans().changePlans({ verb: PlanVerb.CANCEL }))).refusal.reason).toBe(
      RefusalReason.INVALID_REQUEST,
    );
  });
});
