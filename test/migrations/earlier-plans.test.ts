// Plans from before there were runs have theirs after the migration, and what their outcomes named as artifacts, as if both had come
// with them. Not here: how migrations are run.
import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OrgId, PlanId } from "../../src/domain/id.ts";
import { runArtifactsOf } from "../../src/domain/named-artifact.ts";
import type { Artifact } from "../../src/domain/payload.ts";
import { migrate } from "../../src/store/postgres/migrate.ts";
import { audit } from "../support/audit.ts";
import { asAdmin, makeBareDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { put } from "../support/filled.ts";
import { anAttempt } from "../support/plan.ts";
import { newId, servers } from "../support/store.ts";

const OURS = new URL("../../src/store/postgres/migrations/", import.meta.url);
/** The last before there were runs. */
const BEFORE = 4;

/** Of plans, and when they were committed. */
const STATES = [
  ["UNCOMMITTED", "NULL"],
  ["AWAITING_RATIFICATION", "NULL"],
  ["ACTIVE", "30"],
  ["COMPLETED", "31"],
  ["CANCELLED", "NULL"],
] as const;

const named = (name: string, over: Partial<Artifact> = {}): Artifact => ({
  name,
  uri: `https://example.test/${name}`,
  digest: "",
  sizeBytes: 0,
  contentType: "",
  ...over,
});
const ARTIFACTS: readonly Artifact[] = [
  named("dist/app.tgz", { digest: `sha256:${"a".repeat(64)}`, sizeBytes: 7, contentType: "application/gzip" }),
  named("kept", { uri: `max://artifact/sha256:${"b".repeat(64)}` }),
  named("x", { contentType: "Application/SPDX+JSON; charset=utf-8" }),
  named("out/SBOM.json", { digest: "abc" }),
  ...[
    "bom.xml",
    "a.cdx.json",
    "a.spdx",
    "a.intoto.jsonl",
    "provenance",
    "risk-assessment.md",
    "junit.xml",
    "a.log",
  ].map((name) => named(name)),
];

describe.each(servers())("on $name", (server) => {
  let database: TestDatabase;
  let folder: string;
  const orgId = newId() as OrgId;
  const plans = new Map<string, PlanId>();

  beforeAll(async () => {
    database = await makeBareDatabase(server);
    folder = await mkdtemp(join(tmpdir(), "maestro-earlier-"));
    const files = (await readdir(OURS)).filter((name) => name.endsWith(".sql")).toSorted();
    for (const name of files.slice(0, BEFORE)) await copyFile(fileURLToPath(new URL(name, OURS)), join(folder, name));
    await migrate({ url: database.url, log: () => undefined, folder: pathToFileURL(`${folder}/`) });
    await asAdmin(database.adminUrl, async (sql) => {
      const text = (value: string): string => `'${value}'`;
      const executor = { org_id: text(orgId), executor_id: text(newId()) };
      await put(sql, "orgs", { org_id: text(orgId), name: "'org'" });
      await put(sql, "executors", { ...executor, name: "'worker'", state: "'ACTIVE'" });
      for (const [state, committedMs] of STATES) {
        const planId = newId() as PlanId;
        plans.set(state, planId);
        const plan = { org_id: text(orgId), plan_id: text(planId), created_ms: "20" };
        await put(sql, "goals", { ...plan, name: `'goal ${state}'`, state: "'ACTIVE'", created_by: "'alice'" });
        await put(sql, "plans", { ...plan, state: text(state), committed_ms: committedMs });
      }
      const step = { org_id: text(orgId), plan_id: text(plans.get("COMPLETED") ?? ""), ordinal: "1" };
      await put(sql, "steps", { ...step, key: "'build'", state: "'SUCCEEDED'", current: "true", fencing: "8" });
      const ended = { ...step, ...executor, ended_ms: "40", artifacts: text(JSON.stringify(ARTIFACTS)) };
      await put(sql, "attempts", { ...ended, fencing: "7", state: "'FAILED'" });
      await put(sql, "attempts", { ...ended, fencing: "8", state: "'SUCCEEDED'" });
      await put(sql, "attempts", { ...ended, fencing: "9", state: "'SUCCEEDED'", undoing: "true" });
    });
    await migrate({ url: database.url, log: () => undefined });
  });
  afterAll(async () => {
    await database.drop();
    await rm(folder, { recursive: true });
  });

  test("each plan that was committed, or waits for it, has its run", async () => {
    const runs = await asAdmin(
      database.adminUrl,
      (sql) =>
        sql`SELECT run_id, is_plan, name, owner, status, started_ms::int, created_ms::int, created_by FROM maestro.runs ORDER BY name`,
    );
    const run = (state: string, startedMs: number) => ({
      run_id: plans.get(state),
      is_plan: true,
      name: `goal ${state}`,
      owner: "alice",
      status: null,
      started_ms: startedMs,
      created_ms: 20,
      created_by: "alice",
    });
    expect([...runs]).toEqual([run("ACTIVE", 30), run("AWAITING_RATIFICATION", 20), run("COMPLETED", 31)]);
  });

  test("what a success named is an artifact of the run, described as it would be today", async () => {
    const planId = plans.get("COMPLETED") ?? ("" as PlanId);
    const attempt = anAttempt(planId, 1, 8, { artifacts: ARTIFACTS, endedMs: 40 });
    const today = runArtifactsOf({ orgId, planId }, "build", attempt, "worker", () => "");
    const found = await asAdmin(
      database.adminUrl,
      (
        sql,
      ) => sql`SELECT run_id, kind, uri, content_hash, sbom_present, slsa_provenance_present, risk_assessment_present, additional::json AS additional,
        created_ms::int, created_by, step, ordinal, fencing::int FROM maestro.run_artifacts ORDER BY uri`,
    );
    const wanted = today.map((it) => ({
      run_id: it.runId,
      kind: it.kind,
      uri: it.uri,
      content_hash: it.contentHash,
      sbom_present: it.flags.sbomPresent,
      slsa_provenance_present: it.flags.slsaProvenancePresent,
      risk_assessment_present: it.flags.riskAssessmentPresent,
      additional: JSON.parse(it.additional) as unknown,
      created_ms: it.createdMs,
      created_by: it.createdBy,
      ...it.origin,
    }));
    const byUri = (a: { readonly uri?: unknown }, b: { readonly uri?: unknown }): number =>
      String(a.uri) < String(b.uri) ? -1 : 1;
    expect([...found].toSorted(byUri)).toEqual(wanted.toSorted(byUri));
    const differences = (await audit(database.url)).map(({ what }) => what);
    expect(differences).not.toContain("runs of plans");
    expect(differences).not.toContain("artifacts of outcomes");
  });
});
