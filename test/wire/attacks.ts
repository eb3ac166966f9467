// Requests that are well formed and cannot be right, for attack.test.ts. Not here: sending them.

/** What is there to be attacked. */
export interface Target {
  readonly planId: string;
  readonly goalId: string;
}

type Attack = readonly [
  what: string,
  method: string,
  body: (target: Target) => unknown,
  /** A field of its violations, or words of its explanation. */ named: string | RegExp,
];

const work = { capability: "x" };
const step = (key: string, over: object = {}) => ({ key, work, ...over });
const refine = (steps: readonly object[], over: object = {}) => ({
  newGoal: { charter: "target", spec: { name: "x", ...over } },
  steps,
});
const json = (text: string) => ({ json: text });
const REFINE = "MaestroService/RefineGoal";
const lease = (planId: string) => ({ planId, step: "a", ordinal: 1, fencing: "1" });
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const EXECUTOR = "exec_01h455vb4pex5vsknk084sn02q";

/** What is sent, to which method, and what its refusal must name: a field, or words of its explanation. */
export const attacks: readonly Attack[] = [
  ["nothing at all", REFINE, () => ({}), "target"],
  ["no charter", REFINE, () => ({ newGoal: { charter: "", spec: {} } }), "new_goal.charter"],
  [
    "a charter that is not there",
    REFINE,
    () => ({ newGoal: { charter: "ghost", spec: {} }, steps: [step("a")] }),
    /charter ghost/,
  ],
  ["an id of something else", REFINE, ({ planId }) => ({ goalId: planId, steps: [step("a")] }), "goal_id"],
  [
    "a goal that is not there",
    REFINE,
    () => ({ goalId: "goal_01h455vb4pex5vsknk084sn02q", steps: [step("a")] }),
    /no goal/,
  ],
  ["an id with a NUL", "PlanService/GetPlan", () => ({ planId: "plan_\0" }), "plan_id"],
  ["an id beyond 128 bits", "PlanService/GetPlan", () => ({ planId: "plan_zzzzzzzzzzzzzzzzzzzzzzzzzz" }), "plan_id"],
  ["an id in capitals", "PlanService/GetPlan", ({ planId }) => ({ planId: planId.toUpperCase() }), "plan_id"],
  ["a step without a kind", REFINE, () => refine([{ key: "a" }]), "steps[0].kind"],
  ["a step without a key", REFINE, () => refine([step("")]), "steps[0].key"],
  ["a key of prototypes", REFINE, () => refine([step("__proto__ x")]), "steps[0].key"],
  ["a key with a NUL", REFINE, () => refine([step("a\0b")]), "steps[0].key"],
  ["a lone surrogate", REFINE, () => refine([step("a", { title: "\ud800" })]), "StepDefinition.title"],
  ["the same key twice", REFINE, () => refine([step("a"), step("a")]), "steps[1].key"],
  ["a step that needs itself", REFINE, () => refine([step("a", { needs: [{ step: "a" }] })]), /a → a|itself/],
  [
    "a long cycle",
    REFINE,
    () => refine(Array.from({ length: 500 }, (_, i) => step(`s${i}`, { needs: [{ step: `s${(i + 1) % 500}` }] }))),
    /cycle/,
  ],
  [
    "a cycle by references",
    REFINE,
    () =>
      refine([
        step("a", { input: json('{"v":"${{ steps.b.outputs.x }}"}') }),
        step("b", { input: json('{"v":"${{ steps.a.outputs.x }}"}') }),
      ]),
    /cycle/,
  ],
  ["a need of nobody", REFINE, () => refine([step("a", { needs: [{ step: "ghost" }] })]), "steps[0].needs[0].step"],
  [
    "a reference to nobody",
    REFINE,
    () => refine([step("a", { input: json('{"v":"${{ steps.ghost.outputs.x }}"}') })]),
    "steps[0].input.v",
  ],
  [
    "an input of the goal that is not there",
    REFINE,
    () => refine([step("a", { input: json('{"v":"${{ goal.inputs.ghost }}"}') })]),
    "steps[0].input.v",
  ],
  [
    "a reference that never ends",
    REFINE,
    () => refine([step("a", { input: json('{"v":"${{ steps.b"}') })]),
    "steps[0].input",
  ],
  ["a condition that is none", REFINE, () => refine([step("a", { condition: "1 +" })]), "steps[0].condition"],
  [
    "a condition nested without end",
    REFINE,
    () => refine([step("a", { condition: "(".repeat(2000) + "true" + ")".repeat(2000) })]),
    "steps[0].condition",
  ],
  ["an artifact that nobody makes", REFINE, () => refine([step("a", { consumes: ["ghost"] })]), "steps[0].consumes[0]"],
  [
    "an artifact that two make",
    REFINE,
    () => refine([step("a", { produces: ["x"] }), step("b", { produces: ["x"] })]),
    "steps[1].produces[0]",
  ],
  ["an input that is no JSON", REFINE, () => refine([step("a", { input: json("{") })]), "steps[0].input.json"],
  [
    "an input nested without end",
    REFINE,
    () => refine([step("a", { input: json(nested(100_000)) })]),
    "steps[0].input.json",
  ],
  [
    "a number beyond what JSON can tell",
    REFINE,
    () => refine([step("a", { input: json('{"n":9007199254740993}') })]),
    "steps[0].input.json",
  ],
  ["a NUL within JSON", REFINE, () => refine([step("a", { input: json('"\\u0000"') })]), "steps[0].input.json"],
  [
    "a key twice within JSON",
    REFINE,
    () => refine([step("a", { input: json('{"a":1,"a":2}') })]),
    "steps[0].input.json",
  ],
  [
    "an inline value that is too large",
    REFINE,
    () => refine([step("a", { input: json(JSON.stringify("x".repeat(262_144))) })]),
    "steps[0].input.json",
  ],
  [
    "a schema that is none",
    REFINE,
    () => refine([step("a", { inputSchema: '{"type":"nonsense"}' })]),
    "steps[0].input_schema",
  ],
  [
    "a schema from elsewhere",
    REFINE,
    () => refine([step("a", { outputSchema: '{"$ref":"http://example.org/x.json"}' })]),
    "steps[0].output_schema",
  ],
  [
    "a schema with a pattern that never ends",
    REFINE,
    () => refine([step("a", { inputSchema: '{"type":"string","pattern":"("}' })]),
    "steps[0].input_schema",
  ],
  [
    "an estimate that shrinks",
    REFINE,
    () => refine([step("a", { estimate: { optimistic: "9s", likely: "2s", pessimistic: "1s" } })]),
    "steps[0].estimate",
  ],
  ["a timeout that is over", REFINE, () => refine([step("a", { timeout: "-1s" })]), "steps[0].timeout"],
  ["a timeout of three lives", REFINE, () => refine([step("a", { timeout: "9999999999s" })]), "steps[0].timeout"],
  [
    "trust beyond one",
    REFINE,
    () => refine([step("a", { work: { ...work, minTrust: 2 } })]),
    "steps[0].work.min_trust",
  ],
  [
    "trust that is no number",
    REFINE,
    () => refine([step("a", { work: { ...work, minTrust: "NaN" } })]),
    "steps[0].work.min_trust",
  ],
  [
    "a hold below nothing",
    REFINE,
    () => refine([step("a", { work: { ...work, hold: { tokens: "-1" } } })]),
    "steps[0].work.hold.tokens",
  ],
  ["an unknown word", REFINE, () => refine([step("a", { onFailure: 99 })]), "steps[0].on_failure"],
  [
    "too many labels",
    REFINE,
    () => refine([step("a")], { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ""])) }),
    "new_goal.spec.labels",
  ],
  [
    "an attribute without a value",
    REFINE,
    () => refine([step("a")], { attributes: { x: {} } }),
    'new_goal.spec.attributes["x"].value',
  ],
  ["inputs that are no object", REFINE, () => refine([step("a")], { inputs: json("[1]") }), "new_goal.spec.inputs"],
  ["too many steps", REFINE, () => refine(Array.from({ length: 2_001 }, (_, i) => step(`s${i}`))), "steps"],
  ["a hundred thousand empty steps", REFINE, () => refine(Array.from({ length: 100_000 }, () => ({}))), "steps"],
  ["two thousand empty steps", REFINE, () => refine(Array.from({ length: 2_000 }, () => ({}))), "steps[0].key"],
  [
    "steps for a draft that is not there",
    "GraphService/AddSteps",
    ({ goalId }) => ({ goalId, version: 9, steps: [step("z")] }),
    /version 9/,
  ],
  [
    "steps for a version that is done",
    "GraphService/AddSteps",
    ({ goalId }) => ({ goalId, version: 1, steps: [step("z")] }),
    /ACTIVE/,
  ],
  [
    "a commit of a version that is not there",
    "MaestroService/CommitGraph",
    ({ goalId }) => ({ goalId, version: 7, expectedActiveVersion: 1 }),
    /version 7/,
  ],
  [
    "a commit before it is refined",
    "MaestroService/CommitGraph",
    ({ goalId }) => ({ goalId, version: 1, expectedActiveVersion: 1 }),
    /ACTIVE/,
  ],
  ["a version below nothing", "MaestroService/CommitGraph", ({ goalId }) => ({ goalId, version: -1 }), "version"],
  [
    "a re-plan that takes away nobody",
    "MaestroService/ReplanGraph",
    ({ planId }) => ({ planId, remove: ["ghost"], expectedActiveVersion: 1 }),
    "remove[0]",
  ],
  [
    "a re-plan that takes away and brings the same",
    "MaestroService/ReplanGraph",
    ({ planId }) => ({ planId, remove: ["a"], upsert: [step("a")], expectedActiveVersion: 1 }),
    /remove|upsert/,
  ],
  [
    "a re-plan into a cycle",
    "MaestroService/ReplanGraph",
    ({ planId }) => ({
      planId,
      upsert: [step("a", { needs: [{ step: "b" }] }), step("b", { needs: [{ step: "a" }] })],
      expectedActiveVersion: 1,
    }),
    /cycle/,
  ],
  [
    "a re-plan of nothing",
    "MaestroService/ReplanGraph",
    ({ planId }) => ({ planId, expectedActiveVersion: 1, expectedRevision: "-5" }),
    "expected_revision",
  ],
  [
    "a difference to nothing",
    "MaestroService/DiffGraphs",
    ({ goalId }) => ({ goalId, fromVersion: 1, toVersion: 4 }),
    /version 4/,
  ],
  ["credit before the end", "MaestroService/TraceCredit", ({ planId }) => ({ planId }), /not ended/],
  ["credit of nobody", "MaestroService/TraceCredit", ({ planId }) => ({ planId, step: "ghost" }), /step ghost/],
  ["a filter that is none", "MaestroService/QueryGoals", () => ({ filter: "state ==" }), /filter/],
  [
    "a filter nested without end",
    "MaestroService/QueryGoals",
    () => ({ filter: "(".repeat(1500) + 'name == "a"' + ")".repeat(1500) }),
    /./,
  ],
  ["a filter of SQL", "MaestroService/QueryGoals", () => ({ filter: `name == "a"' OR 1=1 --` }), /filter/],
  ["an order of nothing", "MaestroService/QueryGoals", () => ({ orderBy: "drop table" }), "order_by"],
  ["a page below nothing", "MaestroService/QueryGoals", () => ({ pageSize: -1 }), "page_size"],
  [
    "a page token of one's own",
    "MaestroService/QueryGoals",
    () => ({ pageToken: "AAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
    "page_token",
  ],
  ["work for nobody", "MaestroService/DispatchNext", () => ({ executorId: EXECUTOR, maxSteps: 1 }), /executor/],
  [
    "work beyond measure",
    "MaestroService/DispatchNext",
    () => ({ executorId: EXECUTOR, maxSteps: 1_000_000 }),
    "max_steps",
  ],
  [
    "an endless wait",
    "MaestroService/DispatchNext",
    () => ({ executorId: EXECUTOR, maxSteps: 1, wait: "999999s" }),
    "wait",
  ],
  ["no outcome", "MaestroService/ReportOutcome", () => ({ executorId: EXECUTOR, outcomes: [] }), "outcomes"],
  [
    "an outcome without a result",
    "MaestroService/ReportOutcome",
    ({ planId }) => ({ executorId: EXECUTOR, outcomes: [{ lease: lease(planId) }] }),
    "outcomes[0].result",
  ],
  [
    "an outcome that is no JSON",
    "MaestroService/ReportOutcome",
    ({ planId }) => ({ executorId: EXECUTOR, outcomes: [{ lease: lease(planId), success: { outputs: json("{") } }] }),
    "outcomes[0].success.outputs.json",
  ],
  ...["[1]", '"text"', "7", "null"].map((text): Attack => [
    `an outcome whose outputs are ${text}`,
    "MaestroService/ReportOutcome",
    ({ planId }) => ({ executorId: EXECUTOR, outcomes: [{ lease: lease(planId), success: { outputs: json(text) } }] }),
    "outcomes[0].success.outputs.json",
  ]),
  [
    "a step resolved with outputs that are no object",
    "StepService/ResolveStep",
    ({ planId }) => ({ planId, step: "only", success: { outputs: json("[1]") }, reason: "why" }),
    "success.outputs.json",
  ],
  [
    "usage below nothing",
    "MaestroService/ReportOutcome",
    ({ planId }) => ({
      executorId: EXECUTOR,
      outcomes: [{ lease: lease(planId), success: {}, usage: { tokens: "-1" } }],
    }),
    "outcomes[0].usage.tokens",
  ],
  [
    "a hundred outcomes too many",
    "MaestroService/ReportOutcome",
    ({ planId }) => ({
      executorId: EXECUTOR,
      outcomes: Array.from({ length: 200 }, () => ({ lease: lease(planId), success: {} })),
    }),
    "outcomes",
  ],
  ["a renewal of nothing", "DispatchService/RenewLeases", () => ({ executorId: EXECUTOR, renewals: [] }), "renewals"],
  [
    "a renewal with a million lines",
    "DispatchService/RenewLeases",
    ({ planId }) => ({
      executorId: EXECUTOR,
      renewals: [{ lease: lease(planId), lines: Array.from({ length: 500_000 }, () => ({})) }],
    }),
    "renewals[0].lines",
  ],
  [
    "an executor without a name",
    "ExecutorService/RegisterExecutor",
    () => ({ spec: { name: "", capabilities: ["x"], slots: 1 } }),
    "spec.name",
  ],
  [
    "an executor with slots below nothing",
    "ExecutorService/RegisterExecutor",
    () => ({ spec: { name: "a", capabilities: ["x"], slots: -1 } }),
    "spec.slots",
  ],
  [
    "trust without end",
    "ExecutorService/SetExecutorTrust",
    () => ({ executorId: EXECUTOR, trust: "Infinity" }),
    "trust",
  ],
  [
    "an approval of nothing",
    "ApprovalService/DecideApproval",
    () => ({ approvalId: "appr_x", approve: true, digest: "x" }),
    "approval_id",
  ],
  [
    "a key for everything but its maker's",
    "IdentityService/CreateApiKey",
    () => ({ principal: "", grants: [] }),
    "principal",
  ],
  [
    "a key that ends before it begins",
    "IdentityService/CreateApiKey",
    () => ({ principal: "a", grants: ["*"], lifetime: "0s" }),
    "lifetime",
  ],
  ["a step of nobody", "StepService/RetryStep", ({ planId }) => ({ planId, step: "ghost" }), /step ghost/],
  ["a retry of what waits", "StepService/RetryStep", ({ planId }) => ({ planId, step: "a" }), /nothing to retry/],
  ["a release of what is free", "StepService/ReleaseStep", ({ planId }) => ({ planId, step: "a" }), /not held/],
  ["a resumption of what runs", "PlanService/ResumePlan", ({ planId }) => ({ planId }), /cannot be resumed/],
  [
    "an idempotency key that is too long",
    "MaestroService/DeclareCharter",
    () => ({ name: "k", terms: {}, idempotencyKey: "k".repeat(129) }),
    "idempotency_key",
  ],
  [
    "money without a currency",
    "MaestroService/DeclareCharter",
    () => ({ name: "m", terms: { budget: { moneyMicros: "5" } } }),
    "terms.budget.currency",
  ],
];
