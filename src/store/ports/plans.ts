// Running plans in the store, for operations; batches.ts is the hot path to the same rows. Every write needs the plan row's lock.
import type { OrgId, PlanId } from "../../domain/id.ts";
import type { Attempt } from "../../domain/outcome.ts";
import type { Payload } from "../../domain/payload.ts";
import type { PlanRow, PlanState } from "../../domain/plan.ts";
import type { Needs, PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import type { StepDefinition, StepRow, StepState } from "../../domain/step.ts";
import type { PageRequest } from "./paging.ts";

/** A new row of a step that a version brings, with its edges by ordinal. */
export interface NewStep {
  readonly row: StepRow;
  /** Input when nothing is to be resolved (store text, see payloadText), with its effective digest; null when DYNAMIC. */
  readonly input: { readonly text: string | null; readonly effectiveDigest: string } | null;
}
export interface NewEdge {
  readonly from: number;
  readonly to: number;
  readonly regardless: boolean;
}

/** A step with its definition and results, as lists show it. */
export interface StepView {
  readonly row: StepRow;
  readonly definition: StepDefinition;
  readonly input: Payload | null;
  /** The newest attempt that ended, of the current purpose. */
  readonly last: Attempt | null;
  /** Sum over all ended attempts. */
  readonly usage: Attempt["usage"];
}

export interface UnfinishedBefore {
  readonly count: number;
  /** At most 100. */
  readonly keys: readonly string[];
  /** An older row under the same key: whether it still stops, is to be undone first, or could not be; null when there is none. */
  readonly predecessor: "STOPS" | "IS_UNDONE" | "NOT_UNDONE" | null;
}

/** Current steps that are alike as far as verbs of operators go. */
export interface StepsAlike {
  readonly state: StepState;
  readonly undoing: boolean;
  readonly heldBack: boolean;
  readonly count: number;
  /** The first 3, in order. */
  readonly keys: readonly string[];
}

/** A step of one of several plans. */
export interface StepKey {
  readonly planId: PlanId;
  readonly key: string;
}
/** Where it stands. */
export interface StepStanding extends StepKey {
  readonly state: StepState;
  readonly attempt: number;
  readonly startedMs: number | null;
  readonly finishedMs: number | null;
}

export interface PlanRepository {
  /** Of current steps that are there, in any order: one look-up each. */
  standingOf(orgId: OrgId, steps: readonly StepKey[]): Promise<readonly StepStanding[]>;
  /** Locks the plan row FOR NO KEY UPDATE and reads it; waits for whoever holds it. Undefined when there is none. */
  lock(orgId: OrgId, planId: PlanId): Promise<PlanRow | undefined>;
  find(orgId: OrgId, planId: PlanId): Promise<PlanRow | undefined>;
  /** Newest first; sort key [created_ms, plan_id]. Plans that were never committed are left out. */
  list(
    orgId: OrgId,
    query: { readonly planId: PlanId | null; readonly states: readonly PlanState[] },
    page: PageRequest,
  ): Promise<readonly PlanRow[]>;
  /** A slice with just the plan row, to be completed by `complete`. The plan must be locked. */
  slice(plan: PlanRow): PlanSlice;
  /** Loads what a decision asked for into the slice. */
  complete(slice: PlanSlice, needs: Needs): Promise<void>;
  /** Writes what a decision changed; the plan must be locked. */
  save(changes: PlanChanges): Promise<void>;
  /** Inserts rows of a new version's steps and their edges, in bulk (10,000 steps in about 300 ms). Before `save` of the activation. */
  addSteps(orgId: OrgId, planId: PlanId, steps: readonly NewStep[], edges: readonly NewEdge[]): Promise<void>;
  /** Removes edges that a new version does not have. */
  removeEdges(orgId: OrgId, planId: PlanId, edges: readonly NewEdge[]): Promise<void>;
  /** Current rows, by key; sort key [key]. */
  listSteps(
    orgId: OrgId,
    planId: PlanId,
    query: { readonly states: readonly StepState[]; readonly unfinishedOnly?: boolean; readonly key?: string },
    page: PageRequest,
  ): Promise<readonly StepView[]>;
  /** Any row, current or dropped. */
  findRow(orgId: OrgId, planId: PlanId, ordinal: number): Promise<StepView | undefined>;
  /** Dropped rows in one of these states whose effects are being undone, were, or could not be; sort key [key, ordinal]. With a key, newest first, and no paging. */
  listDropped(
    orgId: OrgId,
    planId: PlanId,
    query: { readonly states: readonly StepState[]; readonly key?: string },
    page: PageRequest,
  ): Promise<readonly StepView[]>;
  /** How many current steps are in which state, of those whose keys lie after one and up to another, and match (`*` and `?`, empty for all). */
  countAlike(
    orgId: OrgId,
    planId: PlanId,
    query: { readonly after: string; readonly upTo: string; readonly keys: string },
  ): Promise<readonly StepsAlike[]>;
  /** Ended attempts of a step, oldest first; sort key [ordinal, fencing]. */
  listAttempts(orgId: OrgId, planId: PlanId, key: string, page: PageRequest): Promise<readonly Attempt[]>;
  /** All ended attempts of a plan, by end; for the credit trace. */
  allAttempts(orgId: OrgId, planId: PlanId): Promise<readonly Attempt[]>;
  /**
   * What comes directly before these rows and is not over yet, by ordinal: how many current steps, the keys of the first 100,
   * and whether an older row under the same key is waited for. Rows that wait for nothing are left out.
   */
  unfinishedBefore(
    orgId: OrgId,
    planId: PlanId,
    ordinals: readonly number[],
  ): Promise<ReadonlyMap<number, UnfinishedBefore>>;
  /** All current step rows, and their edges, without definitions. */
  allSteps(
    orgId: OrgId,
    planId: PlanId,
  ): Promise<{ readonly steps: readonly StepRow[]; readonly edges: readonly NewEdge[] }>;
}
