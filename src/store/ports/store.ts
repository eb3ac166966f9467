// The store as the rest of the service sees it: transactions, and what works outside of them. Comments are the contract.
import type { OrgId } from "../../domain/id.ts";
import type { ApprovalRepository } from "./approvals.ts";
import type { ArtifactRepository } from "./artifacts.ts";
import type { BatchStore } from "./batches.ts";
import type { CharterRepository } from "./charters.ts";
import type { ContentStore } from "./contents.ts";
import type { DisclosurePackRepository } from "./disclosure-packs.ts";
import type { ExecutorRepository } from "./executors.ts";
import type { GoalRepository } from "./goals.ts";
import type { GraphRepository } from "./graphs.ts";
import type { IdempotencyRepository } from "./idempotency.ts";
import type { IdentityRepository } from "./identity.ts";
import type { PlanRepository } from "./plans.ts";
import type { PlatformStore } from "./platform.ts";
import type { RecordRepository } from "./records.ts";
import type { RunArtifactRepository } from "./run-artifacts.ts";
import type { RunRepository } from "./runs.ts";
import type { SigningKeyRepository, WaiverRepository } from "./waivers.ts";
import type { WorkflowRepository } from "./workflows.ts";

/** One transaction. All of its repositories see exactly the orgs that it was opened for. */
export interface Tx {
  /** One reading of the store's clock, epoch milliseconds; the same for the whole transaction once it was read. Read it after the locks. */
  nowMs(): Promise<number>;
  readonly charters: CharterRepository;
  readonly goals: GoalRepository;
  readonly graphs: GraphRepository;
  readonly plans: PlanRepository;
  readonly executors: ExecutorRepository;
  readonly approvals: ApprovalRepository;
  readonly artifacts: ArtifactRepository;
  readonly identity: IdentityRepository;
  readonly records: RecordRepository;
  readonly idempotency: IdempotencyRepository;
  readonly runs: RunRepository;
  readonly runArtifacts: RunArtifactRepository;
  readonly disclosurePacks: DisclosurePackRepository;
  readonly workflows: WorkflowRepository;
  readonly waivers: WaiverRepository;
  readonly signingKeys: SigningKeyRepository;
}

export interface Store {
  /**
   * Runs `work` in one READ COMMITTED transaction that sees only `orgs`, and commits when it returns.
   * Whatever `work` throws rolls it back and is thrown again (RefusedError included). Deadlocks and serialization failures
   * are retried up to 3 times: `work` must be repeatable. When the database is away, or `signal` fires, StoreUnavailableError
   * or the abort reason is thrown; StoreBusyError when somebody else held a row for too long. A COMMIT with unknown result
   * throws CommitUnknownError.
   *
   * With `inTurn` no org has more than half of the connections at once; its further calls wait for their turn without one.
   * With `oneMoment` (and `readOnly`) all of its statements see the store as it was when the first of them began.
   */
  transaction<T>(
    orgs: readonly OrgId[],
    work: (tx: Tx) => Promise<T>,
    options?: {
      readonly signal?: AbortSignal;
      readonly readOnly?: boolean;
      readonly inTurn?: boolean;
      readonly oneMoment?: boolean;
    },
  ): Promise<T>;
  /** What works without an org: sessions, credentials, standing scans. */
  readonly platform: PlatformStore;
  /** The hot path. */
  readonly batches: BatchStore;
  /** The bytes of artifacts. */
  readonly contents: ContentStore;
  /** Ends all connections; waits for running transactions. */
  close(): Promise<void>;
}

/** The database is away, refuses connections, or is out of space. Nothing was changed. */
export class StoreUnavailableError extends Error {}

/** Its disk is full: it can be read, and takes nothing. */
export class StoreFullError extends StoreUnavailableError {}

/** Other transactions hold what this one needs. Nothing was changed; it may go through in a moment. */
export class StoreBusyError extends StoreUnavailableError {}

/** The connection broke while COMMIT was under way: the effect may or may not be there. */
export class CommitUnknownError extends Error {}
