// Artifacts that outcomes name are the run's, in the same transaction; which of them stand follows their steps. Not here: their
// kinds (test/domain/named-artifact.test.ts), and artifacts that calls make known.
import { afterAll, beforeAll, expect, test } from "vitest";
import { runOfPlan } from "../../src/domain/id.ts";
import type { PlanId } from "../../src/domain/id.ts";
import type { Artifact } from "../../src/domain/payload.ts";
import type { RunArtifact } from "../../src/domain/run-artifact.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { graphReplan } from "../../src/operations/graph-replan.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { stepRerun } from "../../src/operations/step-rerun.ts";
import type { Tx } from "../../src/store/ports/store.ts";
import { audit } from "../support/audit.ts";
import { aRunArtifact } from "../support/runs.ts";
import { failure, openBench, spec, step, success, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
  await bench.value(charterDeclare, { name: "release", terms: terms(), expectedRevision: 0 });
});
afterAll(async () => {
  expect(await audit(bench.it.database.url)).toEqual([]);
  await bench.end();
});

const made = (name: string): Artifact => ({
  name,
  uri: `https://example.test/${name}`,
  digest: `sha256:${"a".repeat(64)}`,
  sizeBytes: 3,
  contentType: "",
});
const OUT = success('{"n":1}');
const planned = async (...steps: readonly StepDefinition[]): Promise<PlanId> => {
  const target = { kind: "new" as const, charter: "release", spec: spec() };
  return (await bench.value(maestroPlan(bench.heavy), { target, steps, acceptLate: false })).plan.planId;
};
const inOrg = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => bench.it.store.transaction([bench.org.orgId], work);
const named = async (planId: PlanId): Promise<readonly RunArtifact[]> => {
  const { orgId } = bench.org;
  const query = { runId: runOfPlan(planId), kind: null };
  return inOrg((tx) => tx.runArtifacts.list(orgId, query, { limit: 100, after: null }));
};
const standing = async (planId: PlanId): Promise<readonly string[]> => {
  const { orgId } = bench.org;
  const found = await inOrg((tx) => tx.runArtifacts.standing(orgId, runOfPlan(planId), 100));
  return found.map(({ uri }) => uri.slice(uri.lastIndexOf("/") + 1)).toSorted();
};

test("what a success names is the run's and stands; what a failure names is not", async () => {
  const planId = await planned(step("build"), step("scan"));
  await bench.lease(planId, "build");
  await bench.finish(planId, "build", OUT, [made("app.tgz"), made("app.cdx.json")]);
  await bench.lease(planId, "scan");
  await bench.finish(planId, "scan", failure("no"), [made("half.log")]);
  const rows = await bench.rows(planId);
  const { ordinal = 0, fencing = 0 } = rows.get("build") ?? {};
  const all = await named(planId);
  expect(all.map(({ kind, uri }) => [kind, uri]).toSorted()).toEqual([
    ["OTHER", "https://example.test/app.tgz"],
    ["SBOM", "https://example.test/app.cdx.json"],
  ]);
  for (const artifact of all) {
    expect(artifact).toMatchObject({
      orgId: bench.org.orgId,
      runId: planId,
      contentHash: `sha256:${"a".repeat(64)}`,
      createdBy: "executor",
      origin: { step: "build", ordinal, fencing },
    });
  }
  expect(await standing(planId)).toEqual(["app.cdx.json", "app.tgz"]);
});

test("when a step runs again, what it made before is kept and stands no more; what a call told of stands", async () => {
  const planId = await planned(step("build"), step("next", ["build"]));
  await bench.lease(planId, "build");
  await bench.finish(planId, "build", OUT, [made("first.tgz")]);
  const { orgId } = bench.org;
  const told = aRunArtifact(orgId, runOfPlan(planId), { uri: "https://example.test/told" });
  await inOrg((tx) => tx.runArtifacts.add([told]));
  expect(await standing(planId)).toEqual(["first.tgz", "told"]);
  const again = { planId, step: "build", reason: "", cascade: true, order: "UNDO_FIRST", dryRun: false } as const;
  await bench.value(stepRerun(bench.heavy), again);
  expect(await standing(planId)).toEqual(["told"]);
  await bench.lease(planId, "build");
  await bench.finish(planId, "build", OUT, [made("second.tgz")]);
  expect(await standing(planId)).toEqual(["second.tgz", "told"]);
  expect(await named(planId)).toHaveLength(3);
});

test("what a step made stands no more once a re-plan drops the step", async () => {
  const planId = await planned(step("build"), step("other"));
  await bench.lease(planId, "build");
  await bench.finish(planId, "build", OUT, [made("app.tgz")]);
  await bench.value(graphReplan(bench.heavy), {
    planId,
    upsert: [],
    remove: ["build"],
    dryRun: false,
    expectedActiveVersion: 1,
    expectedRevision: 0,
    reason: "",
    constraints: null,
  });
  expect(await standing(planId)).toEqual([]);
  expect(await named(planId)).toHaveLength(1);
});
