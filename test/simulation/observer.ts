// Looks at the database after every commit, past row-level security, and holds what it finds against the invariants of plans and
// against what was there before. Not here: what executors know (ledger.ts).
import postgres from "postgres";
import type { Approval } from "../../src/domain/approval.ts";
import { parseDefinition } from "../../src/domain/graph/fingerprint.ts";
import type { PlanId } from "../../src/domain/id.ts";
import type { Attempt } from "../../src/domain/outcome.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import { earlierKey } from "../../src/domain/plan/slice.ts";
import type { GoalState } from "../../src/domain/goal.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import { ATTEMPT_SELECT, attemptOf } from "../../src/store/postgres/attempts.ts";
import type { RawAttempt } from "../../src/store/postgres/attempts.ts";
import { PLAN_SELECT, planRowOf } from "../../src/store/postgres/plan-rows.ts";
import type { RawPlan } from "../../src/store/postgres/plan-rows.ts";
import { STEP_SELECT, stepRowOf } from "../../src/store/postgres/step-rows.ts";
import type { RawStep } from "../../src/store/postgres/step-rows.ts";
import { PREPARED } from "../../src/store/postgres/transaction.ts";
import { wireTypes } from "../../src/store/postgres/wire.ts";
import { CHECKS } from "../support/audit.ts";
import { checkWorld } from "../support/plan-invariants.ts";
import { PlanStore } from "../support/plan-store.ts";
import type { World } from "./world.ts";

/** A plan as the database has it. */
export class StoredPlan extends PlanStore {
  constructor(
    plan: PlanRow,
    definitions: ReadonlyMap<number, ReadonlyMap<string, StepDefinition>>,
    edges: PlanStore["edges"],
  ) {
    super(plan);
    for (const [version, keyed] of definitions)
      this.versions.set(version, { definitions: keyed, graph: undefined as never });
    this.wire(edges);
  }
}

/** What was found, by plan. */
export type Snapshot = ReadonlyMap<PlanId, StoredPlan>;

/** Looks at what a commit changed of a plan. */
export type ChangeCheck = (before: StoredPlan | undefined, after: StoredPlan) => void;

const TOTALS = Object.entries(CHECKS)
  .map(([what, text]) => `SELECT '${what}' AS what, plan_id FROM (${text}) AS found`)
  .join(" UNION ALL ");

export class Observer {
  readonly #sql: postgres.Sql;
  #snapshot = new Map<PlanId, StoredPlan>();
  readonly #definitions = new Map<PlanId, Map<number, Map<string, StepDefinition>>>();
  #world: World | undefined;
  readonly #checks: ChangeCheck[] = [];

  constructor(adminUrl: string) {
    this.#sql = postgres(adminUrl, {
      max: 1,
      fetch_types: false,
      types: wireTypes,
      onnotice: () => undefined,
      // One plan for all times, as everywhere.
      connection: { plan_cache_mode: "force_generic_plan", enable_seqscan: "off", jit: "off" },
    } as postgres.Options<Record<string, postgres.PostgresType>>);
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Empties the database for another seed. */
  async begin(world: World): Promise<void> {
    this.#world = world;
    this.#snapshot = new Map();
    this.#definitions.clear();
    this.#checks.length = 0;
    const tables = await this.#sql<{ name: string }[]>`
      SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'maestro' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND c.relname NOT IN ('installation', 'schema_migrations')`;
    await this.#sql.unsafe(`TRUNCATE ${tables.map(({ name }) => `maestro.${name}`).join(", ")}`);
  }

  onChange(check: ChangeCheck): void {
    this.#checks.push(check);
  }

  async end(): Promise<void> {
    await this.#sql.end({ timeout: 1 });
  }

  async orgs(orgId: string, name: string): Promise<void> {
    await this.#sql`INSERT INTO maestro.orgs (org_id, name, created_ms) VALUES (${orgId}, ${name}, 1)`;
  }

  /** Reads all, and checks what changed. */
  async look(): Promise<void> {
    const world = this.#world;
    if (world === undefined) return;
    const found = await this.#read();
    for (const [planId, after] of found) {
      const before = this.#snapshot.get(planId);
      if (before?.plan.rev === after.plan.rev) continue;
      try {
        for (const check of this.#checks) check(before, after);
        checkWorld(after);
      } catch (error) {
        world.violated(`${planId}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    this.#snapshot = found;
  }

  #all<Row>(text: string): Promise<Row[]> {
    return this.#sql.unsafe(text, [], PREPARED).execute() as unknown as Promise<Row[]>;
  }

  async #read(): Promise<Map<PlanId, StoredPlan>> {
    const [plans, steps, edges, attempts, inputs, timers, approvals, cascades, goals, sums] = await Promise.all([
      this.#all<RawPlan>(`SELECT ${PLAN_SELECT} FROM maestro.plans p ORDER BY org_id, plan_id`),
      this.#all<RawStep>(`SELECT ${STEP_SELECT} FROM maestro.steps s ORDER BY org_id, plan_id, ordinal`),
      this.#all<{ plan_id: string; from_ordinal: number; to_ordinal: number; regardless: boolean }>(
        "SELECT plan_id, from_ordinal, to_ordinal, regardless FROM maestro.step_edges",
      ),
      this.#all<RawAttempt>(
        `SELECT ${ATTEMPT_SELECT} FROM maestro.attempts a ORDER BY org_id, plan_id, ordinal, fencing`,
      ),
      this.#all<{ plan_id: string; ordinal: number; undoing: boolean; input: string | null }>(
        "SELECT plan_id, ordinal, undoing, input FROM maestro.step_inputs",
      ),
      this.#all<{ plan_id: string; ordinal: number; due_ms: number }>(
        "SELECT plan_id, ordinal, due_ms FROM maestro.timers",
      ),
      this.#all<RawApproval>(
        "SELECT plan_id, approval_id, ordinal, state, digest FROM maestro.approvals ORDER BY approval_id",
      ),
      this.#all<{ plan_id: string; frontier: number[]; sweep_from: number | null }>(
        "SELECT plan_id, frontier, sweep_from FROM maestro.cascades",
      ),
      this.#all<{ plan_id: string; state: string; finished_ms: number | null }>(
        "SELECT plan_id, state, finished_ms FROM maestro.goals",
      ),
      // The same audit as after the kills.
      this.#all<{ what: string; plan_id: string }>(TOTALS),
    ]);
    for (const { what, plan_id } of sums) this.#world?.violated(`audit: ${what} of plan ${plan_id}`);
    const found = new Map<PlanId, StoredPlan>();
    const at = (planId: string): StoredPlan | undefined => found.get(planId as PlanId);
    for (const raw of plans) {
      const plan = planRowOf(raw);
      const own = edges.filter((edge) => edge.plan_id === plan.planId);
      found.set(
        plan.planId,
        new StoredPlan(
          plan,
          await this.#definitionsOf(plan),
          own.map((edge) => ({ from: edge.from_ordinal, to: edge.to_ordinal, regardless: edge.regardless })),
        ),
      );
    }
    for (const raw of steps) at(raw.plan_id)?.steps.set(raw.ordinal, stepRowOf(raw));
    for (const raw of attempts) {
      const attempt: Attempt = attemptOf(raw);
      at(raw.plan_id)?.attempts.set(earlierKey(attempt.ordinal, attempt.fencing), attempt);
    }
    for (const raw of inputs)
      at(raw.plan_id)?.inputs.set(`${String(raw.ordinal)}/${String(raw.undoing)}`, { input: raw.input });
    for (const raw of timers) at(raw.plan_id)?.timers.set(raw.ordinal, raw.due_ms);
    for (const raw of approvals) at(raw.plan_id)?.approvals.set(raw.approval_id, approvalOf(raw));
    for (const raw of cascades) {
      const plan = at(raw.plan_id);
      if (plan !== undefined) plan.cascade = { frontier: raw.frontier, sweepFrom: raw.sweep_from };
    }
    for (const raw of goals) {
      const plan = at(raw.plan_id);
      if (plan !== undefined) plan.goal = { state: raw.state as GoalState, finishedMs: raw.finished_ms };
    }
    return found;
  }

  async #definitionsOf(plan: PlanRow): Promise<Map<number, Map<string, StepDefinition>>> {
    const known = this.#definitions.get(plan.planId) ?? new Map<number, Map<string, StepDefinition>>();
    this.#definitions.set(plan.planId, known);
    if (known.size >= plan.newestVersion) return known;
    const rows = await this.#sql<{ version: number; definition: string }[]>`
      SELECT version, definition FROM maestro.graph_steps WHERE plan_id = ${plan.planId}`;
    for (const { version, definition } of rows) {
      const parsed = parseDefinition(definition);
      const keyed = known.get(version) ?? new Map<string, StepDefinition>();
      keyed.set(parsed.key, parsed);
      known.set(version, keyed);
    }
    return known;
  }
}

interface RawApproval {
  readonly plan_id: string;
  readonly approval_id: string;
  readonly ordinal: number | null;
  readonly state: string;
  readonly digest: string;
}

/** As much of it as anybody asks for here. */
function approvalOf(raw: RawApproval): Approval {
  return { approvalId: raw.approval_id, ordinal: raw.ordinal, state: raw.state, digest: raw.digest } as Approval;
}

/** The row of a step, if there is one. */
export function rowIn(snapshot: Snapshot, planId: PlanId, ordinal: number): StepRow | undefined {
  return snapshot.get(planId)?.steps.get(ordinal);
}
