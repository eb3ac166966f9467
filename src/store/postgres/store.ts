// The store on Postgres, put together. Not here: engines, which say where the database is.
import type { IdMaker } from "../../domain/id.ts";
import type { Random } from "../../support/random.ts";
import type { Store, Tx } from "../ports/store.ts";
import { createApprovalRepository } from "./approvals.ts";
import { createArtifactRepository } from "./artifacts.ts";
import { AddedPlan } from "./added-plan.ts";
import { createBatchStore } from "./batches.ts";
import { createCharterRepository } from "./charters.ts";
import { openClient } from "./connection.ts";
import { openContentsApart } from "./contents-apart.ts";
import { createDisclosurePackRepository } from "./disclosure-packs.ts";
import { createExecutorRepository } from "./executors.ts";
import { createGoalRepository } from "./goals.ts";
import { createGraphRepository } from "./graphs.ts";
import { createIdempotencyRepository } from "./idempotency.ts";
import { createIdentityRepository } from "./identity.ts";
import { migrate } from "./migrate.ts";
import { PlanCache } from "./plan-cache.ts";
import { createPlanRepository } from "./plans.ts";
import { createPlatformStore } from "./platform.ts";
import { createRecordRepository } from "./records.ts";
import { createRunArtifactRepository } from "./run-artifacts.ts";
import { createRunRepository } from "./runs.ts";
import { createSigningKeyRepository } from "./signing-keys.ts";
import { inTransaction } from "./transaction.ts";
import type { Session, TransactionOptions } from "./transaction.ts";
import { createTurns } from "./turns.ts";
import { createWaiverRepository } from "./waivers.ts";
import { createWorkflowRepository } from "./workflows.ts";

export interface StoreOptions {
  readonly url: string;
  /** Straight to the server, for migrations, when `url` names a pooler. */
  readonly directUrl?: string;
  /**
   * Most connections for operations. Batches have half as many of their own, the server's session has one, its standing
   * scans two and the bytes of artifacts two, so that none waits for another.
   */
  readonly poolSize?: number;
  /** False behind a pooler in transaction mode. */
  readonly prepare?: boolean;
  readonly log: (line: string) => void;
  readonly ids: IdMaker;
  readonly random: Random;
  /** For tests: batches read what they have cached as well, and fail where the two differ. */
  readonly checkCache?: boolean;
}

/** An operation that waits for a row longer than this is answered that others hold it, ms: meanwhile it keeps a connection. */
const OPERATION_LOCK_MS = 3_000;
/** How long a call may wait for its org's turn, ms. */
const TURN_MS = 10_000;
/** One chunk is on its way to the disk while another is read. More would be no faster, and take the database from others. */
const CONTENT_CONNECTIONS = 2;

/** Migrates the database and opens the store. Throws MigrationError or StoreUnavailableError. */
export async function createPostgresStore(options: StoreOptions): Promise<Store> {
  await migrate({ url: options.directUrl ?? options.url, log: options.log });
  return openPostgresStore(options);
}

/** The store on a database that is migrated. `connect` opens its sets of connections; a simulation has its own. */
export function openPostgresStore(options: StoreOptions, connect = openClient): Store {
  const { url, poolSize = 10, prepare = true, log, random } = options;
  const half = Math.ceil(poolSize / 2);
  const open = (size: number, lockMs: number, of = ""): TransactionOptions => ({
    client: connect({ url, poolSize: size, prepare, lockMs, applicationName: `maestro${of}` }),
    random,
    prepare,
    lockMs,
    log,
  });
  const operations = open(poolSize, OPERATION_LOCK_MS);
  const session = open(1, OPERATION_LOCK_MS, " session");
  const scans = open(2, OPERATION_LOCK_MS, " scans");
  const batchClient = connect({ url, poolSize: Math.max(2, half), prepare, applicationName: "maestro batches" });
  const cache = new PlanCache();
  const turns = createTurns({ each: half, waitMs: TURN_MS });
  const contents = openContentsApart(
    { url, poolSize: CONTENT_CONNECTIONS, prepare, lockMs: OPERATION_LOCK_MS, applicationName: "maestro contents" },
    log,
  );
  return {
    transaction: async (orgs, work, { signal, readOnly = false, inTurn = false, oneMoment = false } = {}) => {
      const [org] = orgs;
      const endTurn = inTurn && org !== undefined ? await turns.take(org, signal) : undefined;
      try {
        let added: AddedPlan | undefined;
        const result = await inTransaction(
          operations,
          { orgs, readOnly, oneMoment },
          async (session) => {
            added = new AddedPlan(session);
            const done = await work(txOn(session, added, options));
            added.flush();
            return done;
          },
          signal,
        );
        if (added?.saved !== undefined) cache.keep(added.saved);
        return result;
      } finally {
        endTurn?.();
      }
    },
    platform: createPlatformStore({ operations, session, scans }),
    batches: createBatchStore(batchClient, { prepare, cache, checkCache: options.checkCache ?? false }),
    contents,
    close: async () => {
      // All at once: whoever comes from now on is refused, whatever is still under way.
      const clients = [operations, session, scans].map(({ client }) => client.end());
      await Promise.all([...clients, batchClient.end(), contents.close()]);
    },
  };
}

function txOn(bare: Session, added: AddedPlan, options: StoreOptions): Tx {
  const session = added.behind();
  let read: Promise<number> | undefined;
  const nowMs = async (): Promise<number> => {
    // The clock looks at nothing that is held back.
    read ??= bare.run<{ now: number }>("SELECT maestro.clock_ms() AS now").then(([row]) => row?.now ?? 0);
    return read;
  };
  // All at once: a transaction that makes them when they are asked for, by getters, costs 1 µs more, and these are 0.1 µs together.
  return {
    nowMs,
    charters: createCharterRepository(session),
    goals: createGoalRepository(session, added),
    graphs: createGraphRepository(session, added),
    plans: createPlanRepository(session, added, nowMs),
    executors: createExecutorRepository(session),
    approvals: createApprovalRepository(session),
    artifacts: createArtifactRepository(session),
    identity: createIdentityRepository(session),
    records: createRecordRepository(session, options),
    idempotency: createIdempotencyRepository(session),
    runs: createRunRepository(session, added),
    runArtifacts: createRunArtifactRepository(session),
    disclosurePacks: createDisclosurePackRepository(session),
    workflows: createWorkflowRepository(session),
    waivers: createWaiverRepository(session),
    signingKeys: createSigningKeyRepository(session),
  };
}
