// Every reason of proto/maestro/v1/refusal.proto, over the wire, with the metadata that its comment promises. Not here: everything that gives a reason.
import { readFileSync } from "node:fs";
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApprovalService } from "../../gen/maestro/v1/approval_service_pb.ts";
import type { Assignment } from "../../gen/maestro/v1/dispatch_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { GoalService } from "../../gen/maestro/v1/goal_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import type { OutcomeResult } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import type { Refusal } from "../../gen/maestro/v1/refusal_pb.ts";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import type { EngineHandle } from "../../src/store/postgres/engines/embedded.ts";
import { attach, success } from "../transport/peers.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

let folder: string;
let engine: EngineHandle;
let server: TestServer;
let local: Transport;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "maestro-refusals-"));
  engine = await startEmbedded({ dataDir: folder, log: () => undefined });
  server = await startServer({ databaseUrl: engine.url, poolSize: 2 });
  local = createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` });
  await maestro().declareCharter({ name: "free", terms: {} });
});
afterAll(async () => {
  await server.end();
  await engine.stop();
  await rm(folder, { recursive: true, force: true });
});

const maestro = () => createClient(MaestroService, local);
const plans = () => createClient(PlanService, local);
const of = async (call: Promise<unknown>): Promise<Refusal> => (await refused(call)).refusal;

function withKey(secret: string): Transport {
  return createGrpcTransport({
    baseUrl: server.wideUrl,
    interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${secret}`), next(request))],
  });
}

interface Step {
  readonly key: string;
  readonly capability?: string;
  readonly needs?: readonly string[];
  readonly tokens?: bigint;
  readonly seconds?: bigint;
}

function stepsOf(steps: readonly Step[]) {
  return steps.map(({ key, capability = key, needs = [], tokens, seconds }) => ({
    key,
    kind: { case: "work" as const, value: { capability, ...(tokens === undefined ? {} : { hold: { tokens } }) } },
    needs: needs.map((step) => ({ step })),
    ...(seconds === undefined
      ? {}
      : { estimate: { optimistic: { seconds }, likely: { seconds }, pessimistic: { seconds } } }),
  }));
}

function plan(steps: readonly Step[], charter = "free") {
  return maestro().plan({
    target: { case: "newGoal", value: { charter, spec: { name: "refused" } } },
    steps: stepsOf(steps),
  });
}

/** A step that an executor has leased by a call. */
async function leased(capability: string): Promise<{ readonly executorId: string; readonly assignment: Assignment }> {
  const { executor } = await createClient(ExecutorService, local).registerExecutor({
    spec: { name: capability, capabilities: [capability], slots: 1 },
  });
  const executorId = executor?.executorId ?? "";
  await plan([{ key: capability }]);
  const { assignments } = await maestro().dispatchNext({ executorId, maxSteps: 1, wait: { seconds: 10n } });
  const [assignment] = assignments;
  if (assignment === undefined) throw new Error("nothing was leased");
  return { executorId, assignment };
}

function refusalIn(results: readonly OutcomeResult[]): Refusal {
  const result = results[0]?.result;
  if (result?.case !== "refusal") throw new Error("the outcome was taken");
  return result.value;
}

/** Ends with the refusal that ends the stream, whatever it says before. */
async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  const reader = stream[Symbol.asyncIterator]();
  for (let next = await reader.next(); next.done !== true; next = await reader.next());
}

type Reason = Exclude<keyof typeof RefusalReason, "UNSPECIFIED">;

const cases: Readonly<Record<Reason, () => Promise<Refusal>>> = {
  INVALID_REQUEST: () => of(createClient(GoalService, local).getGoal({ goalId: "goal-1" })),
  TOO_LARGE: () => of(maestro().declareCharter({ name: "large", terms: { purpose: "x".repeat(4 * 1024 * 1024) } })),
  UNAUTHENTICATED: () => of(createClient(IdentityService, withKey("mk_unknown")).whoAmI({})),
  CAPABILITY_MISSING: async () => {
    const { secret } = await createClient(IdentityService, local).createApiKey({ principal: "poor", grants: ["none"] });
    return of(createClient(IdentityService, withKey(secret)).whoAmI({}));
  },
  NOT_FOUND: () => of(createClient(GoalService, local).getGoal({ goalId: "goal_01h455vb4pex5vsknk084sn02q" })),
  ALREADY_EXISTS: () => of(createClient(IdentityService, local).createOrg({ name: "default" })),
  STATE_CONFLICT: async () => of(plans().resumePlan({ planId: (await plan([{ key: "a" }])).plan?.planId ?? "" })),
  VERSION_CONFLICT: () => of(maestro().declareCharter({ name: "free", terms: { purpose: "x" }, expectedRevision: 7 })),
  IDEMPOTENCY_CONFLICT: async () => {
    await maestro().declareCharter({ name: "once", terms: {}, idempotencyKey: "one" });
    return of(maestro().declareCharter({ name: "twice", terms: {}, idempotencyKey: "one" }));
  },
  CYCLE: () =>
    of(
      plan([
        { key: "a", needs: ["b"] },
        { key: "b", needs: ["a"] },
      ]),
    ),
  MISSING_PREMISES: () => of(plan([{ key: "a", needs: ["ghost"] }])),
  CONTRADICTORY_EVIDENCE: async () => {
    const { executorId, assignment } = await leased("contradicted");
    await maestro().reportOutcome({ executorId, outcomes: [success(assignment)] });
    return refusalIn(
      (await maestro().reportOutcome({ executorId, outcomes: [success(assignment, '{"other":1}')] })).results,
    );
  },
  BUDGET_EXHAUSTED: async () => {
    await maestro().declareCharter({ name: "poor", terms: { budget: { tokens: 5n } } });
    return of(plan([{ key: "a", tokens: 6n }], "poor"));
  },
  DEADLINE_INFEASIBLE: async () => {
    await maestro().declareCharter({ name: "hasty", terms: { deadline: { seconds: 1n } } });
    return of(plan([{ key: "a", seconds: 2n }], "hasty"));
  },
  STALE_LEASE: async () => {
    const { executorId, assignment } = await leased("stale");
    const outcome = success(assignment);
    const outcomes = [{ ...outcome, lease: { ...outcome.lease, fencing: outcome.lease.fencing + 1n } }];
    return refusalIn((await maestro().reportOutcome({ executorId, outcomes })).results);
  },
  APPROVAL_REQUIRED: async () => {
    await maestro().declareCharter({ name: "careful", terms: { approvals: { ratifyCommits: true } } });
    const { approvalId } = await plan([{ key: "a" }], "careful");
    const approvals = createClient(ApprovalService, local);
    const { approval } = await approvals.getApproval({ approvalId });
    return of(approvals.decideApproval({ approvalId, approve: true, digest: approval?.digest ?? "" }));
  },
  OVERLOADED: async () => {
    const identity = createClient(IdentityService, local);
    const calls = await Promise.allSettled(Array.from({ length: 1_500 }, () => identity.whoAmI({})));
    const over = calls.find((call) => call.status === "rejected");
    if (over === undefined) throw new Error("everybody was served");
    return of(Promise.reject(over.reason as Error));
  },
  FILTER_UNSUPPORTED: () => of(maestro().queryGoals({ filter: "size(name) > 3" })),
  EXECUTOR_UNFIT: () => of(maestro().dispatchNext({ executorId: "exec_01h455vb4pex5vsknk084sn02q", maxSteps: 1 })),
  SLOW_READER: async () => {
    const executor = attach(createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` }));
    executor.say({
      case: "hello",
      value: { spec: { name: "loud", capabilities: ["loud"], slots: 1 }, incarnation: "1" },
    });
    const planId = (await plan([{ key: "loud" }])).plan?.planId ?? "";
    const { assignments } = await executor.hear("assignments");
    const lease = assignments[0]?.lease;
    if (lease === undefined) throw new Error("nothing was leased");
    const watch = plans().watchPlan({ planId, logs: true })[Symbol.asyncIterator]();
    await watch.next();
    // Forty megabytes that nobody reads: more than connection and server keep.
    const lines = Array.from({ length: 100 }, () => ({ text: "x".repeat(16_000) }));
    for (let i = 0; i < 25; i++) executor.say({ case: "renewals", value: { renewals: [{ lease, lines }] } });
    executor.say({ case: "outcomes", value: { outcomes: [success(assignments[0])] } });
    await executor.acks();
    executor.end();
    return of(drained({ [Symbol.asyncIterator]: () => watch }));
  },
  DRAINING: async () => {
    const other = await startServer({ databaseUrl: engine.url });
    const transport = createGrpcTransport({ baseUrl: other.wideUrl });
    const planId = (await plan([{ key: "waits" }])).plan?.planId ?? "";
    const watch = createClient(PlanService, transport).watchPlan({ planId })[Symbol.asyncIterator]();
    await watch.next();
    const executor = attach(transport);
    executor.say({ case: "hello", value: { spec: { name: "d", capabilities: ["d"], slots: 1 }, incarnation: "1" } });
    await executor.hear("welcome");
    const said = Promise.all([of(drained({ [Symbol.asyncIterator]: () => watch })), executor.hear("goodbye")]);
    const end = other.end();
    const [refusal, { refusal: told, reconnect }] = await said;
    executor.end();
    await end;
    expect(told?.reason).toBe(RefusalReason.DRAINING);
    expect(reconnect).toBe(true);
    return refusal;
  },
  // Last: nothing is answered after it.
  UNAVAILABLE: async () => {
    await engine.stop();
    return of(createClient(IdentityService, local).whoAmI({}));
  },
};

/** The metadata that the comments of the contract name, by reason. */
const documented = new Map(
  [
    ...readFileSync(new URL("../../proto/maestro/v1/refusal.proto", import.meta.url), "utf8").matchAll(
      /((?: *\/\/.*\n)+) *REFUSAL_REASON_(\w+) = \d+;/g,
    ),
  ].map(([, comment = "", reason = ""]) => {
    const facts = /Metadata: ([^]*)/.exec(comment.replaceAll(/\n? *\/\/ ?/g, " "))?.[1] ?? "";
    return [reason, [...facts.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name ?? "")] as const;
  }),
);

const reasons = Object.keys(RefusalReason).filter((name) => name !== "UNSPECIFIED");

test("every reason has a case here, and a comment in the contract", () => {
  expect(Object.keys(cases).sort()).toEqual([...reasons].sort());
  expect([...documented.keys()].filter((name) => name !== "UNSPECIFIED").sort()).toEqual([...reasons].sort());
});

test.each(Object.keys(cases) as Reason[])(
  "%s",
  async (reason) => {
    const refusal = await cases[reason]();
    expect(refusal.reason).toBe(RefusalReason[reason]);
    expect(refusal.explanation).not.toBe("");
    expect(refusal.rule).not.toBe("");
    expect(refusal.stage).not.toBe(0);
    expect(refusal.lifter).not.toBe(0);
    for (const name of documented.get(reason) ?? [])
      expect(refusal.metadata[name], `${reason} without ${name}`).toMatch(/./);
    if (reason === "INVALID_REQUEST") expect(refusal.violations).toMatchObject([{ field: "goal_id" }]);
  },
  30_000,
);
