// Orgs are kept apart by the database itself: every repository method, given a right id, sees nothing of another org.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NOTHING } from "../../src/domain/amounts.ts";
import type { Approval } from "../../src/domain/approval.ts";
import { demandOf } from "../../src/domain/demand.ts";
import type { Goal } from "../../src/domain/goal.ts";
import type { ApprovalId, ExecutorId, KeyId, OrgId, SessionId, UploadId } from "../../src/domain/id.ts";
import type { Charter } from "../../src/domain/charter.ts";
import type { Tx } from "../../src/store/ports/store.ts";
import { asAdmin } from "../support/database.ts";
import { aGraphStep, anAttempt, anEdge, aStepRow, aVersion, changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { addConductor, conductorOf, conductorReads, conductorWrites } from "./isolation-conductor.ts";
import type { Conductor } from "./isolation-conductor.ts";

/** One org with a row of every kind. */
interface Full {
  readonly orgId: OrgId;
  readonly charter: Charter;
  readonly goal: Goal;
  readonly executorId: ExecutorId;
  readonly keyId: KeyId;
  readonly approvalId: ApprovalId;
  readonly uploadId: UploadId;
  readonly key: string;
  readonly conductor: Conductor;
}

const page = { limit: 100, after: null };

/** Every reading method, asked for what is there. A list or a Map is empty, anything else undefined, when nothing is seen. */
const reads: Readonly<Record<string, (tx: Tx, full: Full) => Promise<unknown>>> = {
  "charters.find": (tx, f) => tx.charters.find(f.orgId, f.charter.name),
  "charters.ofGoal": (tx, f) => tx.charters.ofGoal(f.orgId, f.goal.planId),
  "charters.find by id": (tx, f) => tx.charters.find(f.orgId, f.charter.charterId),
  "charters.lockByName": (tx, f) => tx.charters.lockByName(f.orgId, f.charter.name),
  "charters.list": (tx, f) => tx.charters.list(f.orgId, page),
  "goals.find": (tx, f) => tx.goals.find(f.orgId, f.goal.planId),
  "goals.query": (tx, f) => tx.goals.query(f.orgId, { charterId: null, filter: null, order: "name" }, page),
  "goals.query by end": (tx, f) =>
    tx.goals.query(f.orgId, { charterId: null, filter: null, order: "finished_at" }, page),
  "goals.query by filter": (tx, f) =>
    tx.goals.query(
      f.orgId,
      {
        charterId: null,
        filter: {
          kind: "compare",
          field: { kind: "charter" },
          operator: "==",
          value: { kind: "text", value: f.charter.name },
        },
        order: "name",
      },
      page,
    ),
  "graphs.findVersion": (tx, f) => tx.graphs.findVersion(f.orgId, f.goal.planId, 1),
  "graphs.listVersions": (tx, f) => tx.graphs.listVersions(f.orgId, f.goal.planId, page),
  "graphs.steps": (tx, f) => tx.graphs.steps(f.orgId, f.goal.planId, 1),
  "graphs.edges": (tx, f) => tx.graphs.edges(f.orgId, f.goal.planId, 1),
  "graphs.listSteps": (tx, f) => tx.graphs.listSteps(f.orgId, f.goal.planId, 1, page),
  "graphs.listEdges": (tx, f) => tx.graphs.listEdges(f.orgId, f.goal.planId, 1, page),
  "plans.lock": (tx, f) => tx.plans.lock(f.orgId, f.goal.planId),
  "plans.find": (tx, f) => tx.plans.find(f.orgId, f.goal.planId),
  "plans.list": (tx, f) => tx.plans.list(f.orgId, { planId: null, states: [] }, page),
  "plans.listSteps": (tx, f) => tx.plans.listSteps(f.orgId, f.goal.planId, { states: [] }, page),
  "plans.standingOf": (tx, { orgId, goal: { planId } }) =>
    tx.plans.standingOf(orgId, [{ planId, key: aStepRow(planId, 1).key }]),
  "plans.findRow": (tx, f) => tx.plans.findRow(f.orgId, f.goal.planId, 1),
  "plans.listDropped": (tx, f) => tx.plans.listDropped(f.orgId, f.goal.planId, { states: ["COMPENSATED"] }, page),
  "plans.listDropped by key": (tx, f) =>
    tx.plans.listDropped(
      f.orgId,
      f.goal.planId,
      { states: ["COMPENSATED"], key: aStepRow(f.goal.planId, 3).key },
      page,
    ),
  "plans.countAlike": (tx, f) => tx.plans.countAlike(f.orgId, f.goal.planId, { after: "", upTo: "~", keys: "" }),
  "plans.listAttempts": (tx, f) => tx.plans.listAttempts(f.orgId, f.goal.planId, aStepRow(f.goal.planId, 1).key, page),
  "plans.allAttempts": (tx, f) => tx.plans.allAttempts(f.orgId, f.goal.planId),
  "plans.unfinishedBefore": async (tx, f) => [
    ...(await tx.plans.unfinishedBefore(f.orgId, f.goal.planId, [1, 2, 3])).values(),
  ],
  "plans.allSteps": async (tx, f) => {
    const { steps, edges } = await tx.plans.allSteps(f.orgId, f.goal.planId);
    return [...steps, ...edges];
  },
  "executors.find": (tx, f) => tx.executors.find(f.orgId, f.executorId),
  "executors.list": (tx, f) => tx.executors.list(f.orgId, page),
  "executors.demands": (tx, f) => tx.executors.demands(f.orgId),
  "approvals.find": (tx, f) => tx.approvals.find(f.orgId, f.approvalId),
  "approvals.list": (tx, f) => tx.approvals.list(f.orgId, { planId: null, pendingOnly: false }, page),
  "artifacts.find": (tx, f) => tx.artifacts.find(f.orgId, DIGEST),
  "artifacts.lock": (tx, f) => tx.artifacts.lock(f.orgId, DIGEST),
  "artifacts.list": (tx, f) => tx.artifacts.list(f.orgId, page),
  "artifacts.list on": (tx, f) => tx.artifacts.list(f.orgId, { limit: 1, after: [2, ""] }),
  "artifacts.openUse": (tx, f) => tx.artifacts.openUse(f.orgId, DIGEST),
  "artifacts.findBroughtBy": (tx, f) => tx.artifacts.findBroughtBy(f.orgId, f.uploadId),
  "artifacts.findUpload": (tx, f) => tx.artifacts.findUpload(f.orgId, f.uploadId),
  "artifacts.findUploadOf": (tx, f) => tx.artifacts.findUploadOf(f.orgId, "p", DIGEST),
  "artifacts.lockUpload": (tx, f) => tx.artifacts.lockUpload(f.orgId, f.uploadId, "change"),
  "artifacts.lockUpload to share": (tx, f) => tx.artifacts.lockUpload(f.orgId, f.uploadId, "share"),
  "artifacts.chunk": (tx, f) => tx.artifacts.chunk(f.orgId, f.uploadId, 0),
  "artifacts.part": (tx, f) => tx.artifacts.part(f.orgId, f.uploadId, 0, 0, 1),
  "artifacts.received": async (tx, f) => ((await tx.artifacts.received(f.orgId, f.uploadId, 1)).bytes > 0 ? [1] : []),
  "artifacts.use": async (tx, f) => (await tx.artifacts.use(f.orgId, f.goal.planId, [DIGEST])).get(DIGEST),
  "identity.findOrg": (tx, f) => tx.identity.findOrg(f.orgId),
  "identity.findKey": (tx, f) => tx.identity.findKey(f.orgId, f.keyId),
  "identity.listKeys": (tx, f) => tx.identity.listKeys(f.orgId, page),
  "records.ofPlan": (tx, f) => tx.records.ofPlan(f.orgId, f.goal.planId, 0, 100),
  ...conductorReads,
  "idempotency.peek": async (tx, f) => (await tx.idempotency.peek([callOf(f)], 0)).filter(({ kind }) => kind !== "new"),
};

/** Every writing method, against what is there. Each is refused or touches nothing. */
const writes: Readonly<Record<string, (tx: Tx, full: Full) => Promise<unknown>>> = {
  "charters.add": (tx, f) => tx.charters.add({ ...f.charter, revision: 2 }),
  "goals.add": (tx, f) => tx.goals.add(aGoal(f.charter)),
  "goals.setState": (tx, f) => tx.goals.setState(f.orgId, f.goal.planId, "CANCELLED", 1),
  "graphs.addVersion": (tx, f) => tx.graphs.addVersion(aVersion(f.goal, 2)),
  "graphs.saveVersion": (tx, f) => tx.graphs.saveVersion({ ...aVersion(f.goal), reason: "stolen" }),
  "graphs.setState": (tx, f) => tx.graphs.setState(f.orgId, f.goal.planId, 1, "REJECTED"),
  "graphs.addSteps": (tx, f) => tx.graphs.addSteps(f.orgId, f.goal.planId, 1, [aGraphStep("intruder")]),
  "graphs.addGraph": (tx, f) =>
    tx.graphs.addGraph(f.orgId, f.goal.planId, 1, [aGraphStep("intruder")], [anEdge("a", "b")]),
  "graphs.replace": (tx, f) => tx.graphs.replace(f.orgId, f.goal.planId, 1, [], []),
  "plans.addSteps": (tx, f) =>
    tx.plans.addSteps(f.orgId, f.goal.planId, [{ row: aStepRow(f.goal.planId, 99), input: null }], []),
  "plans.removeEdges": (tx, f) => tx.plans.removeEdges(f.orgId, f.goal.planId, [{ from: 1, to: 2, regardless: false }]),
  "executors.register": (tx, f) =>
    tx.executors.register(
      f.orgId,
      newId() as ExecutorId,
      { name: "worker", capabilities: [], labels: {}, slots: 1, buildId: "stolen" },
      null,
      1,
    ),
  "executors.setState": (tx, f) => tx.executors.setState(f.orgId, f.executorId, "DRAINING"),
  "executors.setTrust": (tx, f) => tx.executors.setTrust(f.orgId, f.executorId, 1),
  "executors.setSession": (tx, f) => tx.executors.setSession(f.orgId, f.executorId, newId() as SessionId, null, 1),
  "executors.seen": (tx, f) => tx.executors.seen(f.orgId, f.executorId, Number.MAX_SAFE_INTEGER),
  "executors.ensureDemands": (tx, f) => tx.executors.ensureDemands([demandOf(f.orgId, "intruder", {}, 0)]),
  "artifacts.lockAccount": (tx, f) => tx.artifacts.lockAccount(f.orgId),
  "artifacts.saveAccount": (tx, f) => tx.artifacts.saveAccount(f.orgId, { keptBytes: 99, promisedBytes: 99 }),
  "artifacts.add": (tx, f) => tx.artifacts.add({ ...artifactOf(f), digest: DIGEST.replaceAll("a", "b") }),
  "artifacts.remove": (tx, f) => tx.artifacts.remove(artifactOf(f), 1),
  "artifacts.use of another's": (tx, f) => tx.artifacts.use(f.orgId, f.goal.planId, [DIGEST]),
  "artifacts.addUpload": (tx, f) =>
    tx.artifacts.addUpload({ ...uploadOf(f), uploadId: newId() as UploadId, principal: "x" }),
  "artifacts.extendUpload": (tx, f) => tx.artifacts.extendUpload(f.orgId, f.uploadId, 99),
  "artifacts.endUpload": (tx, f) => tx.artifacts.endUpload(f.orgId, f.uploadId, "kept", 1),
  "artifacts.endUpload and drop": (tx, f) => tx.artifacts.endUpload(f.orgId, f.uploadId, "dropped", 1),
  "artifacts.addChunk": (tx, f) => tx.artifacts.addChunk(f.orgId, f.uploadId, 1, Buffer.from("stolen")),
  "artifacts.sweep": (tx, f) => tx.artifacts.sweep(f.orgId, f.uploadId, 10),
  ...conductorWrites,
  "identity.addKey": (tx, f) =>
    tx.identity.addKey(
      {
        orgId: f.orgId,
        keyId: newId() as KeyId,
        principal: "x",
        grants: ["*"],
        createdMs: 1,
        expiresMs: null,
        revokedMs: null,
      },
      Buffer.from(newId()),
    ),
  "identity.revokeKey": (tx, f) => tx.identity.revokeKey(f.orgId, f.keyId, 1),
  "records.appendJournal": (tx, f) =>
    tx.records.appendJournal(f.orgId, newId() as SessionId, [{ kind: "k", actor: "a", body: {} }], 1),
  "idempotency.begin": (tx, f) => tx.idempotency.begin({ ...callOf(f), key: "intruder" }, 1, 1),
  "idempotency.begin of a taken key": (tx, f) => tx.idempotency.begin(callOf(f), 1, 1),
  "idempotency.beginAll": (tx, f) => tx.idempotency.beginAll([callOf(f)], 1, 1),
  "idempotency.finishAll": (tx, f) =>
    tx.idempotency.finishAll([{ call: callOf(f), answer: Buffer.from("stolen"), refusal: null }]),
  "idempotency.finish": (tx, f) => tx.idempotency.finish(callOf(f), { answer: Buffer.from("stolen") }),
};

const DIGEST = `sha256:${"a".repeat(64)}`;
const content = { digest: DIGEST, sizeBytes: 3, chunkBytes: 65_536, contentType: "text/plain", name: "", createdMs: 1 };
const artifactOf = ({ orgId, uploadId }: Full) => ({ ...content, orgId, createdBy: "p", contentId: uploadId });
const uploadOf = ({ orgId, uploadId }: Full) => ({ ...content, orgId, uploadId, principal: "p", expiresMs: 9e12 });

const callOf = (full: Full) => ({
  orgId: full.orgId,
  principal: "alice",
  key: full.key,
  operation: "o",
  bodyDigest: Buffer.from("b"),
});

async function fill({ store }: TestStore): Promise<Full> {
  const { orgId } = await addOrg(store);
  const charter = aCharter(orgId);
  const goal = aGoal(charter, { finishedMs: 5 });
  const full: Full = {
    orgId,
    charter,
    goal,
    executorId: newId() as ExecutorId,
    keyId: newId() as KeyId,
    approvalId: newId() as ApprovalId,
    uploadId: newId() as UploadId,
    key: newId(),
    conductor: conductorOf(goal),
  };
  const { planId } = goal;
  const approval: Approval = {
    orgId,
    planId,
    approvalId: full.approvalId,
    subject: "COMMIT",
    ordinal: null,
    step: "",
    version: 1,
    digest: "",
    state: "PENDING",
    question: "",
    requestedBy: "a",
    requestedMs: 1,
    decidedBy: null,
    decidedMs: null,
    comment: "",
    context: "{}",
  };
  await store.transaction([orgId], async (tx) => {
    await tx.idempotency.begin(callOf(full), 1, 9e12);
    await tx.idempotency.finish(callOf(full), { answer: Buffer.from("a") });
    await tx.charters.add(charter);
    await tx.goals.add(goal);
    await tx.graphs.addVersion(aVersion(goal));
    const rows = [aStepRow(planId, 1), aStepRow(planId, 2)];
    const dropped = aStepRow(planId, 3, { current: false, undoing: true, state: "COMPENSATED", finishedMs: 1 });
    await tx.graphs.replace(
      orgId,
      planId,
      1,
      [...rows, dropped].map((row) => aGraphStep(row.key)),
      [anEdge(rows[0]?.key ?? "", rows[1]?.key ?? "")],
    );
    const plan = await tx.plans.lock(orgId, planId);
    if (plan === undefined) throw new Error("no plan");
    await tx.plans.addSteps(
      orgId,
      planId,
      [...rows, dropped].map((row) => ({ row, input: { text: null, effectiveDigest: "" } })),
      [{ from: 1, to: 2, regardless: false }],
    );
    const [record] = await tx.records.appendJournal(
      orgId,
      newId() as SessionId,
      [{ kind: "k", actor: "a", body: {} }],
      1,
    );
    await tx.plans.save(
      changesOf(
        { ...plan, state: "ACTIVE", committedMs: 1 },
        {
          attempts: [anAttempt(planId, 1, 1, { usage: NOTHING })],
          approvals: [approval],
          records: record === undefined ? [] : [record],
        },
      ),
    );
    await tx.executors.register(
      orgId,
      full.executorId,
      { name: "worker", capabilities: [], labels: {}, slots: 1, buildId: "" },
      null,
      1,
    );
    await tx.executors.ensureDemands([demandOf(orgId, "shell", {}, 0)]);
    await tx.artifacts.lockAccount(orgId);
    await tx.artifacts.addUpload(uploadOf(full));
    await tx.artifacts.addChunk(orgId, full.uploadId, 0, Buffer.from("abc"));
    await tx.artifacts.add(artifactOf(full));
    await tx.artifacts.use(orgId, planId, [DIGEST]);
    await addConductor(tx, full);
    await tx.identity.addKey(
      { orgId, keyId: full.keyId, principal: "p", grants: [], createdMs: 1, expiresMs: null, revokedMs: null },
      Buffer.from(full.keyId),
    );
  });
  return full;
}

const sees = (found: unknown): boolean => (Array.isArray(found) ? found.length > 0 : found !== undefined);

describe.each(servers())("on $name, with 200 orgs", (server) => {
  let it: TestStore;
  let mine: Full;
  let others: OrgId[];
  beforeAll(async () => {
    it = await openStore(server);
    mine = await fill(it);
    others = [];
    for (let i = 0; i < 199; i++) others.push((await addOrg(it.store)).orgId);
  });
  afterAll(() => it.end());

  /** Everything the org owns, as the administrator sees it. */
  const contents = async (): Promise<string> =>
    asAdmin(it.database.adminUrl, async (sql) => {
      const tables = await sql<{ name: string }[]>`
        SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
        WHERE c.relnamespace = 'maestro'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1`;
      const rows = await Promise.all(
        tables.map(({ name }) =>
          sql.unsafe(`SELECT to_jsonb(t)::text AS row FROM ${name} t WHERE org_id = $1 ORDER BY 1`, [mine.orgId]),
        ),
      );
      return JSON.stringify(rows);
    });

  test("every method is in one of the two lists", async () => {
    const known = new Set([...Object.keys(reads), ...Object.keys(writes)].map((name) => name.split(" ")[0]));
    // Those that work on what another method found under its org, or on a new org.
    const apart = new Set(["plans.slice", "plans.complete", "plans.save", "identity.addOrg"]);
    await it.store.transaction([], async (tx) => {
      const methods = Object.entries(tx)
        .filter(([, room]) => typeof room === "object")
        .flatMap(([name, room]) => Object.keys(room as object).map((method) => `${name}.${method}`));
      expect(methods.filter((method) => !known.has(method) && !apart.has(method))).toEqual([]);
    });
  });

  test.each(Object.keys(reads))("%s sees its org among all, and nothing from another's or from none", async (name) => {
    const read = reads[name];
    if (read === undefined) throw new Error("no such method");
    expect(sees(await it.store.transaction([mine.orgId], (tx) => read(tx, mine)))).toBe(true);
    expect(sees(await it.store.transaction([...others, mine.orgId], (tx) => read(tx, mine)))).toBe(true);
    expect(sees(await it.store.transaction(others, (tx) => read(tx, mine)))).toBe(false);
    expect(sees(await it.store.transaction(others.slice(0, 1), (tx) => read(tx, mine)))).toBe(false);
    expect(sees(await it.store.transaction([], (tx) => read(tx, mine)))).toBe(false);
  });

  test.each(Object.keys(writes))("%s changes nothing of another org", async (name) => {
    const write = writes[name];
    if (write === undefined) throw new Error("no such method");
    const before = await contents();
    await it.store
      .transaction(others, (tx) => write(tx, mine))
      .catch((error: unknown) => {
        expect(String(error)).toContain("42501");
      });
    expect(await contents()).toBe(before);
  });

  test("a plan's changes under another org's id write nothing", async () => {
    const [stranger] = others;
    if (stranger === undefined) throw new Error("no org");
    const before = await contents();
    const plan = await it.store.transaction([mine.orgId], (tx) => tx.plans.find(mine.orgId, mine.goal.planId));
    if (plan === undefined) throw new Error("no plan");
    const changes = (orgId: OrgId) =>
      changesOf({ ...plan, orgId, rev: 77 }, { steps: [aStepRow(plan.planId, 1, { flags: 9 })] });
    await it.store.transaction([stranger], (tx) => tx.plans.save(changes(stranger)));
    await it.store.transaction([stranger], (tx) => tx.plans.save(changes(mine.orgId)));
    expect(await contents()).toBe(before);
  });

  test("a batch that names another org's plan under its own org finds no such plan, and decides nothing", async () => {
    const [stranger] = others;
    if (stranger === undefined) throw new Error("no org");
    const before = await contents();
    const plan = { orgId: stranger, planId: mine.goal.planId, ordinals: [1, 2], childrenOf: [1] };
    const decided: unknown[] = [];
    const result = await it.store.batches.run(
      [plan],
      (slice) => {
        decided.push(slice);
        return { kind: "nothing" };
      },
      { wait: true },
    );
    expect(decided).toEqual([]);
    expect(result.missing.map(({ planId }) => planId)).toEqual([mine.goal.planId]);
    expect(await contents()).toBe(before);
  });

  test("what one transaction set is gone for the next on the same connection", async () => {
    const one = await openStore(server, { poolSize: 1 });
    const full = await fill(one);
    expect(await one.store.transaction([full.orgId], (tx) => tx.charters.list(full.orgId, page))).toHaveLength(1);
    expect(await one.store.platform.orgs()).toHaveLength(1);
    expect(await one.store.transaction([], (tx) => tx.charters.list(full.orgId, page))).toEqual([]);
    expect(await one.store.transaction([], (tx) => tx.identity.findOrg(full.orgId))).toBeUndefined();
    await one.end();
  });
});
