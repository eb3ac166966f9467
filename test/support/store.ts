// A store on a database of its own, and the smallest values that its tables accept. Not here: expectations.
import { randomUUID } from "node:crypto";
import { inject } from "vitest";
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import { NO_RELEASE_POLICY } from "../../src/domain/charter.ts";
import type { Charter } from "../../src/domain/charter.ts";
import type { Goal } from "../../src/domain/goal.ts";
import type { CharterId, OrgId, PlanId } from "../../src/domain/id.ts";
import type { Org } from "../../src/domain/principal.ts";
import { createPostgresStore } from "../../src/store/postgres/store.ts";
import type { StoreOptions } from "../../src/store/postgres/store.ts";
import type { Store } from "../../src/store/ports/store.ts";
import { systemClock } from "../../src/support/clock.ts";
import { systemRandom } from "../../src/support/random.ts";
import { uuidv7 } from "../../src/support/typeid.ts";
import { makeDatabase } from "./database.ts";
import type { TestDatabase, TestServer } from "./database.ts";

const random = systemRandom();

export function newId(): string {
  return uuidv7(systemClock.nowMs(), random.bytes(10));
}

export interface TestStore {
  readonly store: Store;
  readonly database: TestDatabase;
  /** What the store logged. */
  readonly log: readonly string[];
  end(): Promise<void>;
}

/** The servers of this run, for `describe.each`. */
export function servers(): readonly TestServer[] {
  return inject("servers");
}

export async function openStore(server: TestServer, options: Partial<StoreOptions> = {}): Promise<TestStore> {
  const database = await makeDatabase(server);
  const log: string[] = [];
  const store = await createPostgresStore({
    url: database.url,
    log: (line) => log.push(line),
    ids: { uuid: newId },
    random,
    checkCache: true,
    ...options,
  });
  return {
    store,
    database,
    log,
    end: async () => {
      await store.close();
      await database.drop();
    },
  };
}

export async function addOrg(store: Store): Promise<Org> {
  return store.platform.ensureOrg({ orgId: newId() as OrgId, name: `org-${randomUUID()}`, createdMs: 1_000 });
}

export function aCharter(orgId: OrgId, name = "upkeep", revision = 1): Charter {
  return {
    orgId,
    charterId: newId() as CharterId,
    name,
    revision,
    terms: {
      purpose: "Keep it going",
      budget: { ...NO_LIMITS, currency: "" },
      deadlineMs: null,
      minTrust: 0,
      ratifyCommits: false,
      staleRule: "RERUN",
      release: NO_RELEASE_POLICY,
    },
    digest: "d".repeat(64),
    declaredMs: 1_000,
    declaredBy: "alice",
  };
}

export function aGoal(charter: Charter, fields: Partial<Goal> = {}, spec: Partial<Goal["spec"]> = {}): Goal {
  return {
    orgId: charter.orgId,
    planId: newId() as PlanId,
    charterId: charter.charterId,
    charterRevision: charter.revision,
    spec: {
      name: "goal",
      intent: "",
      inputs: null,
      constraints: { budget: { ...NO_LIMITS, currency: "" }, deadlineMs: null, minTrust: 0 },
      labels: {},
      attributes: {},
      ...spec,
    },
    state: "DRAFT",
    createdMs: 2_000,
    createdBy: "alice",
    finishedMs: null,
    ...fields,
  };
}
