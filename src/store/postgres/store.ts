// The store on Postgres, put together. Not here: engines, which say where the database is.
import type { IdMaker } from "../../domain/id.ts";
import type { Random } from "../../support/random.ts";
import type { Store, Tx } from "../ports/store.ts";
import { createApprovalRepository } from "./approvals.ts";
import { createBatchStore } from "./batches.ts";
import { createCharterRepository } from "./charters.ts";
import { openClient } from "./connection.ts";
import { createExecutorRepository } from "./executors.ts";
import { createGoalRepository } from "./goals.ts";
import { createGraphRepository } from "./graphs.ts";
import { createIdempotencyRepository } from "./idempotency.ts";
import { createIdentityRepository } from "./identity.ts";
import { migrate } from "./migrate.ts";
import { createPlanRepository } from "./plans.ts";
import { createPlatformStore } from "./platform.ts";
import { createRecordRepository } from "./records.ts";
import { inTransaction } from "./transaction.ts";
import type { Session, TransactionOptions } from "./transaction.ts";

export interface StoreOptions {
  readonly url: string;
  /** Straight to the server, for migrations, when `url` names a pooler. */
  readonly directUrl?: string;
  /** Most connections for operations; batches have half as many of their own, so that neither waits for the other. */
  readonly poolSize?: number;
  /** False behind a pooler in transaction mode. */
  readonly prepare?: boolean;
  readonly log: (line: string) => void;
  readonly ids: IdMaker;
  readonly random: Random;
}

/** Migrates the database and opens the store. Throws MigrationError or StoreUnavailableError. */
export async function createPostgresStore(options: StoreOptions): Promise<Store> {
  const { url, poolSize = 10, prepare = true, log, random } = options;
  await migrate({ url: options.directUrl ?? url, log });
  const client = openClient({ url, poolSize, prepare });
  const batchClient = openClient({
    url,
    poolSize: Math.max(2, Math.ceil(poolSize / 2)),
    prepare,
    applicationName: "maestro batches",
  });
  const transactions: TransactionOptions = { client, random, prepare, log };
  return {
    transaction: (orgs, work, { signal, readOnly = false } = {}) =>
      inTransaction(transactions, { orgs, readOnly }, (session) => work(txOn(session, options)), signal),
    platform: createPlatformStore(transactions),
    batches: createBatchStore(batchClient),
    close: async () => {
      await Promise.all([client.end(), batchClient.end()]);
    },
  };
}

function txOn(session: Session, options: StoreOptions): Tx {
  let read: Promise<number> | undefined;
  const nowMs = async (): Promise<number> => {
    read ??= session.run<{ now: number }>("SELECT maestro.clock_ms() AS now").then(([row]) => row?.now ?? 0);
    return read;
  };
  return {
    nowMs,
    charters: createCharterRepository(session),
    goals: createGoalRepository(session),
    graphs: createGraphRepository(session),
    plans: createPlanRepository(session, nowMs),
    executors: createExecutorRepository(session),
    approvals: createApprovalRepository(session),
    identity: createIdentityRepository(session),
    records: createRecordRepository(session, options),
    idempotency: createIdempotencyRepository(session),
  };
}
