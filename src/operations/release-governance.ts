// How a plan was governed, and what a gate step depends on, out of the store. Not here: what the gate makes of it.
import type { Approval } from "../domain/approval.ts";
import type { OrgId, PlanId } from "../domain/id.ts";
import { NOTHING } from "../domain/amounts.ts";
import type { Governance, StepBefore } from "../domain/release/gate.ts";
import type { PlanRow } from "../domain/plan.ts";
import type { Run } from "../domain/run.ts";
import type { Tx } from "../store/ports/store.ts";
import { allPages } from "./all-pages.ts";

/** Steps that a gate step waits for, directly or not, and the numbers of their rows. */
export interface Before {
  readonly steps: readonly StepBefore[];
  readonly ordinals: ReadonlySet<number>;
}

export async function stepsBefore(tx: Tx, orgId: OrgId, planId: PlanId, gate: number): Promise<Before> {
  const { steps, edges } = await tx.plans.allSteps(orgId, planId);
  const current = new Map(steps.flatMap((row) => (row.current ? [[row.ordinal, row] as const] : [])));
  const parents = new Map<number, number[]>();
  for (const { from, to } of edges) {
    const list = parents.get(to);
    if (list === undefined) parents.set(to, [from]);
    else list.push(from);
  }
  const ordinals = new Set<number>();
  const open = [gate];
  for (let at = open.pop(); at !== undefined; at = open.pop())
    for (const from of parents.get(at) ?? []) {
      // Edges from rows that were dropped say what is to be undone first, and nothing of what is released.
      if (ordinals.has(from) || !current.has(from)) continue;
      ordinals.add(from);
      open.push(from);
    }
  return {
    ordinals,
    steps: [...ordinals].flatMap((ordinal) => {
      const row = current.get(ordinal);
      return row === undefined ? [] : [{ key: row.key, state: row.state }];
    }),
  };
}

/** Approvals of what is performed now, refusals that stand, and overrun. `only` are the rows that count; null for all. */
export async function governanceOf(
  tx: Tx,
  run: Run,
  planId: PlanId,
  only: ReadonlySet<number> | null,
): Promise<Governance> {
  const { orgId } = run;
  const plan = await tx.plans.find(orgId, planId);
  const { steps } = await tx.plans.allSteps(orgId, planId);
  const counts = new Map(
    steps.flatMap((row) =>
      row.current && (only === null || only.has(row.ordinal)) ? [[row.ordinal, row] as const] : [],
    ),
  );
  const all = await approvalsOf(tx, orgId, planId);
  const standing = all.filter(({ state, subject, ordinal, version: of }) => {
    if (state === "WITHDRAWN") return false;
    if (subject === "COMMIT") return of === plan?.activeVersion || of === plan?.pendingVersion;
    return ordinal !== null && counts.has(ordinal);
  });
  return {
    approvals: newestOfEach(standing),
    makers: [...(await makersAmong(tx, run, planId, plan, all))],
    refusedSteps: [...counts.values()].filter(({ state }) => state === "REFUSED").map(({ key }) => key),
    overrun: plan?.account.overrun ?? NOTHING,
  };
}

/** Of several questions about the same thing the newest counts: a step that was rejected and asked about again, for one. */
function newestOfEach(approvals: readonly Approval[]): readonly Approval[] {
  const newest = new Map<string, Approval>();
  for (const one of approvals) {
    const about = `${one.subject}:${String(one.ordinal)}:${String(one.version)}`;
    const other = newest.get(about);
    if (other === undefined || other.requestedMs < one.requestedMs) newest.set(about, one);
  }
  return [...newest.values()];
}

/** Those to whom a run is their own, and who waive nothing of it: whoever owns it, owned it, or made it, its goal or its plan. */
export async function peopleOf(tx: Tx, run: Run): Promise<ReadonlySet<string>> {
  const { orgId, planId, owner, pastOwners, createdBy } = run;
  const people = new Set([owner, ...pastOwners, createdBy]);
  if (planId === null) return people;
  const plan = await tx.plans.find(orgId, planId);
  for (const maker of await makersAmong(tx, run, planId, plan, await approvalsOf(tx, orgId, planId))) people.add(maker);
  return people;
}

/** Whoever had a hand in making a plan: of its goal, its version, and whoever asked for its commit. */
async function makersAmong(
  tx: Tx,
  { orgId, createdBy }: Run,
  planId: PlanId,
  plan: PlanRow | undefined,
  approvals: readonly Approval[],
): Promise<ReadonlySet<string>> {
  const makers = new Set([createdBy]);
  const goal = await tx.goals.find(orgId, planId);
  if (goal !== undefined) makers.add(goal.createdBy);
  // Every version up to now: what the last one left alone is work of those before.
  const versions = await allPages(
    (page) => tx.graphs.listVersions(orgId, planId, page),
    ({ version }) => [version],
  );
  for (const one of versions) if (one.version <= (plan?.newestVersion ?? 0)) makers.add(one.createdBy);
  for (const { subject, requestedBy } of approvals) if (subject === "COMMIT") makers.add(requestedBy);
  return makers;
}

function approvalsOf(tx: Tx, orgId: OrgId, planId: PlanId): Promise<readonly Approval[]> {
  return allPages(
    (page) => tx.approvals.list(orgId, { planId, pendingOnly: false }, page),
    ({ requestedMs, approvalId }) => [requestedMs, approvalId],
  );
}
