// What the server needs of the store without an org: its session, credentials, standing scans. Each call is a transaction of its own.
import type { DemandId, KeyId, OrgId, PlanId, ReadyStep, SessionId, UploadId } from "../../domain/id.ts";
import type { ApiKey, Org } from "../../domain/principal.ts";

/** Which installation it is, and which life of it: an import or a restored backup raises the epoch. */
export interface Installation {
  readonly installationId: string;
  readonly storeEpoch: number;
}

export interface OpenedSession {
  readonly expiresMs: number;
  /** The store's time. */
  readonly nowMs: number;
  readonly installation: Installation;
}

/** What a server hears every second. */
export interface Renewal {
  /** Null when the session had lapsed or was ended: the server must stop committing and open a new one. */
  readonly expiresMs: number | null;
  readonly nowMs: number;
  /** Another one than when the session was opened: the server knows nothing of what it serves now, and must end. */
  readonly installation: Installation;
  /** Keys revoked since the time that was asked for, to drop cached ones. */
  readonly revoked: readonly KeyId[];
  /** Other sessions that lapsed, and may still hold leases. */
  readonly lapsed: readonly SessionId[];
}

/** Whether any backoff or cascade waits. */
export interface Due {
  readonly nowMs: number;
  /** When the next backoff ends, or the first one ended. */
  readonly timerMs: number | null;
  readonly cascades: boolean;
}

/** Everything that waits, whoever should have told of it. */
export interface Waiting extends Due {
  /** Open plans whose deadline has passed; the next look finds the rest. */
  readonly overdue: readonly { readonly orgId: OrgId; readonly planId: PlanId }[];
  /** Demand classes that have ready steps. */
  readonly ready: readonly { readonly orgId: OrgId; readonly demandId: DemandId }[];
}

/** Chunks of an org, by the upload that brought them. */
export interface ContentRef {
  readonly orgId: OrgId;
  readonly contentId: UploadId;
}

export interface PlatformStore {
  /** The org with that name, made if it is missing. */
  ensureOrg(org: Org): Promise<Org>;
  orgs(): Promise<readonly Org[]>;
  /** The key with that secret's SHA-256, if any. */
  findKey(secretDigest: Uint8Array): Promise<ApiKey | undefined>;

  openSession(sessionId: SessionId, address: string, build: string, lifeMs: number): Promise<OpenedSession>;
  /** Renews, and answers all that a server must hear of soon: one statement. When it throws, it may have been renewed all the same. */
  renewSession(sessionId: SessionId, lifeMs: number, revokedSinceMs: number): Promise<Renewal>;
  /** It is not renewed any more, and lapses when it would have: that is the time its executors have to attach elsewhere. */
  endSession(sessionId: SessionId): Promise<void>;
  /** Forgets a session whose leases were all swept, and clears it from executors that were attached to it. */
  forgetSession(sessionId: SessionId): Promise<void>;

  /** Whether there is anything to do at all: one statement, cheap enough to ask again and again. The scans below then bring it. */
  due(): Promise<Due>;
  /** The same and more, also one statement; ready steps of the orgs that are named, everything else of all. */
  waiting(orgs: readonly OrgId[]): Promise<Waiting>;
  /** Orgs with ready steps that ask for a capability: one statement that looks at every org's demand classes, not for every second. */
  readyFor(capability: string): Promise<readonly OrgId[]>;
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
  /** Open cascades and sweeps. */
  openCascades(limit: number): Promise<readonly { readonly orgId: OrgId; readonly planId: PlanId }[]>;
  dropExpiredKeys(limit: number): Promise<number>;
  /** Uploads that nobody went on with for too long. */
  expiredUploads(limit: number): Promise<readonly ContentRef[]>;
  /** Content of artifacts and uploads that are gone, oldest first. */
  wastedContents(limit: number): Promise<readonly ContentRef[]>;
  /** Makes partitions ahead of time. */
  ensurePartitions(months: number): Promise<number>;
}
