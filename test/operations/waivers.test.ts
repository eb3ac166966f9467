// Waivers on a real store: who may give one, and which of them a gate believes, with rows changed behind its back. Not here: the
// gate's rules, see ../domain/release-gate.test.ts.
import { createHash } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { RunArtifactId, RunId, WaiverId } from "../../src/domain/id.ts";
import type { Judgement } from "../../src/domain/release/gate.ts";
import type { Run, RunChange } from "../../src/domain/run.ts";
import { LONGEST_WAIVER_MS, MOST_STANDING_WAIVERS } from "../../src/domain/waiver.ts";
import type { Waiver } from "../../src/domain/waiver.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { gateCheck } from "../../src/operations/gate-check.ts";
import { graphReplan } from "../../src/operations/graph-replan.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { releaseGate } from "../../src/operations/release-gate.ts";
import { runUpdate } from "../../src/operations/run-update.ts";
import { waiverGrant } from "../../src/operations/waiver-grant.ts";
import { waiverList } from "../../src/operations/waiver-list.ts";
import { waiverRevoke } from "../../src/operations/waiver-revoke.ts";
import { signedWaiver } from "../../src/operations/waiver-statement.ts";
import { IN_TOTO_PAYLOAD_TYPE, makeSigningKey, signEnvelope } from "../../src/support/dsse.ts";
import { aRunArtifact, aToldRun } from "../support/runs.ts";
import { newId } from "../support/store.ts";
import { FIRST, openBench, spec, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

const DAY = 86_400_000;
const RULE = "artifacts.compliant";
const gate = releaseGate({ read: async () => "BUSY" });

let bench: Bench;
let admin: postgres.Sql;
let run: Run;
let artifactId: RunArtifactId;
beforeAll(async () => {
  bench = await openBench();
  admin = postgres(bench.it.database.adminUrl, { max: 1, onnotice: () => undefined });
});
afterAll(async () => {
  await admin.end();
  await bench.end();
});
beforeEach(async () => {
  const { orgId } = bench.org;
  run = aToldRun(orgId, { status: "SUCCEEDED", owner: "team-a", createdBy: "alice" });
  const artifact = aRunArtifact(orgId, run.runId, { kind: "OTHER" });
  ({ artifactId } = artifact);
  await bench.it.store.transaction([orgId], async (tx) => {
    await tx.runs.add([run]);
    await tx.runArtifacts.add([artifact]);
  });
});

const nowMs = (): Promise<number> => bench.it.store.transaction([bench.org.orgId], (tx) => tx.nowMs());
const name = (id: string | null = run.runId) => ({ id: id as RunId | null, text: String(id) });
async function asked(over: Partial<Parameters<typeof waiverGrant>[1]> = {}) {
  const expiresMs = (await nowMs()) + DAY;
  return { run: name(), rule: RULE, artifact: null, reason: "Known", expiresMs, ...over };
}
const grant = async (over: Parameters<typeof asked>[0] = {}): Promise<Waiver> =>
  bench.value(waiverGrant, await asked(over), bench.context("bob"));
const UNCHANGED: RunChange = {
  name: null,
  owner: null,
  status: null,
  finishedMs: null,
  costEstimate: null,
  costActual: null,
  relatedEntityIds: null,
  relatedDecisionIds: null,
  metadata: null,
};
const setOwner = (owner: string): Promise<Run> =>
  bench.value(runUpdate, { run: name(), change: { ...UNCHANGED, owner } }, bench.context("carol"));
/** Of the run as a whole. */
const AS_ITS_POLICY_SAYS = { mode: null, step: "" } as const;
const check = (): Promise<Judgement> => bench.value(gateCheck(gate), { run: name(), ...AS_ITS_POLICY_SAYS });
const isWaived = async (): Promise<boolean> => (await check()).passed;

test("somebody else waives a rule until a time, signed with the org's key, and the gate lets the run pass", async () => {
  expect(await check()).toMatchObject({ passed: false, details: { failedRules: [RULE] } });
  const waiver = await grant();
  expect(waiver).toMatchObject({ runId: run.runId, rule: RULE, grantedBy: "bob", revokedMs: null });
  expect(JSON.parse(waiver.envelope)).toMatchObject({ payloadType: IN_TOTO_PAYLOAD_TYPE });
  expect(await check()).toMatchObject({
    passed: true,
    verdicts: [{}, {}, { rule: RULE, state: "WAIVED", waiverId: waiver.waiverId }],
  });
  const page = await bench.value(waiverList, { run: name(), page: FIRST });
  expect(page.items).toEqual([waiver]);
});

test("it is recorded, envelope and all", async () => {
  const result = await bench.run(waiverGrant, await asked(), bench.context("bob"));
  expect("done" in result ? result.done.journal : null).toMatchObject({
    kind: "conductor.waiver.grant",
    actor: "bob",
    body: { run: run.runId, rule: RULE },
  });
});

test("neither its owner nor its creator waives what a run's release asks for", async () => {
  for (const own of ["alice", "team-a"])
    expect(await bench.refusal(waiverGrant, await asked(), bench.context(own))).toMatchObject({
      reason: "APPROVAL_REQUIRED",
      rule: "waiver.other_principal",
    });
  expect(await isWaived()).toBe(false);
});

test("whoever owned a run waives nothing of it, whoever owns it now", async () => {
  await setOwner("bob");
  await setOwner("team-a");
  expect(await bench.refusal(waiverGrant, await asked(), bench.context("bob"))).toMatchObject({
    rule: "waiver.other_principal",
  });
});

test("a waiver of whoever came to own the run since counts no more, even once somebody else owns it", async () => {
  await grant();
  expect(await isWaived()).toBe(true);
  for (const owner of ["bob", "team-a"]) {
    await setOwner(owner);
    expect(await isWaived(), owner).toBe(false);
  }
});

test("a waiver of whoever came to be a maker of the plan since counts no more, where flags are believed too", async () => {
  await bench.value(charterDeclare, { name: "flags", terms: terms(), expectedRevision: 0 });
  const target = { kind: "new" as const, charter: "flags", spec: spec() };
  const { plan } = await bench.value(maestroPlan(bench.heavy), { target, steps: [step("a")], acceptLate: false });
  const { planId } = plan;
  const state = async () => {
    const { verdicts, mode } = await bench.value(gateCheck(gate), { run: name(planId), ...AS_ITS_POLICY_SAYS });
    return [mode, verdicts.find(({ rule }) => rule === "artifacts.present")?.state];
  };
  await grant({ run: name(planId), rule: "artifacts.present" });
  expect(await state()).toEqual(["FLAGS", "WAIVED"]);
  const change = { upsert: [step("b")], remove: [], reason: "", constraints: null };
  const version = { expectedActiveVersion: 1, expectedRevision: 0, dryRun: false };
  await bench.value(graphReplan(bench.heavy), { planId, ...change, ...version }, bench.context("bob"));
  expect(await state()).toEqual(["FLAGS", "FAILED"]);
});

test.each<readonly [string, () => Promise<Parameters<typeof waiverGrant>[1]>, object]>([
  ["no rule", () => asked({ rule: "sbom.perfect" }), { reason: "INVALID_REQUEST", violations: [{ field: "rule" }] }],
  ["the run's success", () => asked({ rule: "run.succeeded" }), { reason: "INVALID_REQUEST" }],
  ["the past", async () => asked({ expiresMs: await nowMs() }), { violations: [{ field: "expires_at" }] }],
  [
    "more than a year",
    async () => asked({ expiresMs: (await nowMs()) + LONGEST_WAIVER_MS + DAY }),
    { violations: [{ field: "expires_at" }] },
  ],
  ["no run", () => asked({ run: name(newId()) }), { reason: "NOT_FOUND" }],
  ["what is no id", () => asked({ run: name(null) }), { reason: "NOT_FOUND" }],
  [
    "an artifact that is not there",
    () => asked({ artifact: { id: newId() as RunArtifactId, text: "art_1" } }),
    { reason: "NOT_FOUND", metadata: { kind: "artifact" } },
  ],
])("a waiver of %s is refused", async (_, request, refusal) => {
  expect(await bench.refusal(waiverGrant, await request(), bench.context("bob"))).toMatchObject(refusal);
});

test("an artifact of another run is none that a waiver could name", async () => {
  const other = aToldRun(bench.org.orgId);
  const theirs = aRunArtifact(bench.org.orgId, other.runId);
  await bench.it.store.transaction([bench.org.orgId], async (tx) => {
    await tx.runs.add([other]);
    await tx.runArtifacts.add([theirs]);
  });
  const request = await asked({ artifact: { id: theirs.artifactId, text: "art_theirs" } });
  expect(await bench.refusal(waiverGrant, request, bench.context("bob"))).toMatchObject({ reason: "NOT_FOUND" });
  expect(
    await bench.value(waiverGrant, await asked({ artifact: { id: artifactId, text: "art" } }), bench.context("bob")),
  ).toMatchObject({ artifactId });
});

test("a waiver that was taken back counts no more, and stays taken back by whoever did it first", async () => {
  const { waiverId } = await grant();
  expect(await isWaived()).toBe(true);
  const looked = { id: waiverId, text: "waiver" };
  const revoked = await bench.value(waiverRevoke, looked, bench.context("carol"));
  expect(revoked).toMatchObject({ revokedBy: "carol" });
  expect(await isWaived()).toBe(false);
  expect(await bench.value(waiverRevoke, looked, bench.context("dave"))).toEqual(revoked);
  const none = { id: newId() as WaiverId, text: "waiver_none" };
  expect(await bench.refusal(waiverRevoke, none)).toMatchObject({ reason: "NOT_FOUND" });
});

/** Changes the row of a waiver as somebody with a hand in the database would. */
async function tamper(
  waiver: Waiver,
  change: (sql: postgres.Sql) => postgres.PendingQuery<postgres.Row[]>,
): Promise<void> {
  const changed = await change(admin);
  expect(changed.count).toBe(1);
  expect(waiver.runId).toBe(run.runId);
}

test("a waiver that expired counts no more", async () => {
  // Granted and ended in the past, and signed so: the database's clock alone says that it is over.
  const waiver = {
    ...(await grant()),
    waiverId: newId() as WaiverId,
    grantedMs: 1_000,
    expiresMs: (await nowMs()) - 1,
  };
  await bench.value(waiverRevoke, {
    id: (await bench.value(waiverList, { run: name(), page: FIRST })).items[0]?.waiverId ?? null,
    text: "",
  });
  await bench.it.store.transaction([bench.org.orgId], async (tx) => {
    const [key] = await tx.signingKeys.list(bench.org.orgId, FIRST);
    if (key === undefined) throw new Error("no key");
    await tx.waivers.add(signedWaiver(waiver, key));
  });
  expect(await isWaived()).toBe(false);
});

/** Copies of a waiver's row that are newer than it. */
const copies = (waiver: Waiver, count: number, expiresMs: number, revokedMs: number | null) => admin`
  INSERT INTO maestro.waivers SELECT org_id, gen_random_uuid(), run_id, rule, artifact_id, reason, granted_by, 1000 + n, ${expiresMs}, ${revokedMs},
    ${revokedMs === null ? null : "carol"}, envelope FROM maestro.waivers CROSS JOIN generate_series(1, ${count}) AS g(n) WHERE waiver_id = ${waiver.waiverId}`;

test("a waiver that stands counts, however many newer ones were taken back or expired", async () => {
  const waiver = await grant();
  await admin`UPDATE maestro.waivers SET granted_ms = 1000 WHERE waiver_id = ${waiver.waiverId}`;
  const signed = { ...waiver, grantedMs: 1_000 };
  await bench.it.store.transaction([bench.org.orgId], async (tx) => {
    const [key] = await tx.signingKeys.list(bench.org.orgId, FIRST);
    if (key === undefined) throw new Error("no key");
    const { envelope } = signedWaiver(signed, key);
    await admin`UPDATE maestro.waivers SET envelope = ${envelope} WHERE waiver_id = ${waiver.waiverId}`;
  });
  expect(await isWaived()).toBe(true);
  await copies(waiver, 600, waiver.expiresMs, 2_000_000);
  await copies(waiver, 600, 3_000, null);
  expect(await isWaived()).toBe(true);
});

test("no more waivers of a run stand than are read to judge it, and one that is taken back makes room", async () => {
  const waiver = await grant();
  await copies(waiver, MOST_STANDING_WAIVERS - 1, waiver.expiresMs, null);
  expect(await bench.refusal(waiverGrant, await asked(), bench.context("bob"))).toMatchObject({
    reason: "STATE_CONFLICT",
    rule: "waiver.most",
  });
  await bench.value(waiverRevoke, { id: waiver.waiverId, text: "waiver" });
  expect(await grant()).toMatchObject({ runId: run.runId });
});

test.each<readonly [string, Partial<Waiver>]>([
  ["its end", { expiresMs: Date.now() + 300 * DAY }],
  ["its rule", { rule: "artifacts.compliant" }],
  ["its reason", { reason: "Better words" }],
  ["who gave it", { grantedBy: "carol" }],
])("a waiver whose row was changed behind our back does not count: %s", async (_, change) => {
  const waiver = await grant("rule" in change ? { rule: "artifacts.present" } : {});
  const expires = change.expiresMs ?? waiver.expiresMs;
  const { rule, reason, grantedBy } = { ...waiver, ...change };
  await tamper(
    waiver,
    (sql) =>
      sql`UPDATE maestro.waivers SET expires_ms = ${expires}, rule = ${rule}, reason = ${reason}, granted_by = ${grantedBy} WHERE waiver_id = ${waiver.waiverId}`,
  );
  expect(await isWaived()).toBe(false);
});

test("a waiver of another run does not count, whichever run its row is moved to", async () => {
  const waiver = await grant();
  const other = aToldRun(bench.org.orgId, { status: "SUCCEEDED" });
  await bench.it.store.transaction([bench.org.orgId], async (tx) => {
    await tx.runs.add([other]);
    await tx.runArtifacts.add([aRunArtifact(bench.org.orgId, other.runId, { kind: "OTHER" })]);
  });
  await tamper(
    waiver,
    (sql) => sql`UPDATE maestro.waivers SET run_id = ${other.runId} WHERE waiver_id = ${waiver.waiverId}`,
  );
  expect((await bench.value(gateCheck(gate), { run: name(other.runId), ...AS_ITS_POLICY_SAYS })).passed).toBe(false);
  expect(await isWaived()).toBe(false);
});

test("an envelope of a key that is not the org's does not count, and neither does one of words that are no envelope", async () => {
  const waiver = await grant();
  const payload = Buffer.from((JSON.parse(waiver.envelope) as { payload: string }).payload, "base64").toString();
  const forged = JSON.stringify(signEnvelope(IN_TOTO_PAYLOAD_TYPE, payload, makeSigningKey()));
  for (const envelope of [forged, "{}", "", waiver.envelope.replace(/"sig":"../, '"sig":"AA')]) {
    await tamper(
      waiver,
      (sql) => sql`UPDATE maestro.waivers SET envelope = ${envelope} WHERE waiver_id = ${waiver.waiverId}`,
    );
    expect(await isWaived(), envelope.slice(0, 40)).toBe(false);
  }
  await tamper(
    waiver,
    (sql) => sql`UPDATE maestro.waivers SET envelope = ${waiver.envelope} WHERE waiver_id = ${waiver.waiverId}`,
  );
  expect(await isWaived()).toBe(true);
});

test("the words of a run's id are what its waiver is a statement of", async () => {
  const { envelope } = await grant();
  const payload = Buffer.from((JSON.parse(envelope) as { payload: string }).payload, "base64").toString();
  const statement = JSON.parse(payload) as { subject: { name: string; digest: { sha256: string } }[] };
  const [subject] = statement.subject;
  expect(subject?.name).toMatch(/^run_/);
  expect(subject?.digest.sha256).toBe(
    createHash("sha256")
      .update(subject?.name ?? "")
      .digest("hex"),
  );
});
