// What the server needs of the store without an org: its session, credentials, standing scans. Each call is a transaction of its own.
import type { DemandId, KeyId, OrgId, PlanId, ReadyStep, SessionId, UploadId } from "../../domain/id.ts";
import type { ApiKey, Org } from "../../domain/principal.ts";

export interface SessionInfo {
  readonly sessionId: SessionId;
  readonly expiresMs: number;
}

/** Chunks of an org, by the upload that brought them. */
export interface ContentRef {
  readonly orgId: OrgId;
  readonly contentId: UploadId;
}

export interface PlatformStore {
  /** Store epoch and identity of the installation. */
  installation(): Promise<{ readonly installationId: string; readonly storeEpoch: number }>;
  /** The org with that name, made if it is missing. */
  ensureOrg(org: Org): Promise<Org>;
  orgs(): Promise<readonly Org[]>;
  /** The key with that secret's SHA-256, if any. */
  findKey(secretDigest: Uint8Array): Promise<ApiKey | undefined>;
  /** Keys revoked since that time, to drop cached ones. */
  keysRevokedSince(ms: number): Promise<readonly KeyId[]>;

  openSession(sessionId: SessionId, address: string, build: string, lifeMs: number): Promise<SessionInfo>;
  /** Renews; undefined when the session had lapsed or was ended: the server must stop committing and open a new one. */
  renewSession(sessionId: SessionId, lifeMs: number): Promise<SessionInfo | undefined>;
  endSession(sessionId: SessionId): Promise<void>;
  /** Sessions that lapsed or ended and may still hold leases. */
  lapsedSessions(): Promise<readonly SessionId[]>;
  /** Forgets a session whose leases were all swept, and clears it from executors that were attached to it. */
  forgetSession(sessionId: SessionId): Promise<void>;

  /** The first ready steps of demand classes, after an order key (exclusive; null for the beginning); lock-free, by the partial index. */
  readySteps(
    demands: readonly { readonly orgId: OrgId; readonly demandId: DemandId; readonly afterKey: number | null }[],
    limitEach: number,
  ): Promise<readonly ReadyStep[]>;
  /** Leased steps of a session in open plans, of these orgs; at most some 10,000, the next call finds the rest. A rare scan, read in pages. */
  leasesOfSession(
    orgs: readonly OrgId[],
    sessionId: SessionId,
  ): Promise<
    readonly { readonly orgId: OrgId; readonly planId: PlanId; readonly ordinal: number; readonly fencing: number }[]
  >;
  /** Backoffs that are over by now. */
  dueTimers(
    limit: number,
  ): Promise<
    readonly { readonly orgId: OrgId; readonly planId: PlanId; readonly ordinal: number; readonly dueMs: number }[]
  >;
  /** When the next backoff ends. */
  nextTimerMs(): Promise<number | null>;
  /** Open cascades and sweeps. */
  openCascades(limit: number): Promise<readonly { readonly orgId: OrgId; readonly planId: PlanId }[]>;
  /** Open plans whose deadline has passed, of these orgs. */
  overduePlans(
    orgs: readonly OrgId[],
    limit: number,
  ): Promise<readonly { readonly orgId: OrgId; readonly planId: PlanId }[]>;
  dropExpiredKeys(limit: number): Promise<number>;
  /** Uploads that nobody went on with for too long. */
  expiredUploads(limit: number): Promise<readonly ContentRef[]>;
  /** Content of artifacts and uploads that are gone, oldest first. */
  wastedContents(limit: number): Promise<readonly ContentRef[]>;
  /** Makes partitions ahead of time. */
  ensurePartitions(months: number): Promise<number>;
}
