// Artifacts of runs in the store: read in bulk, listed, and which of them stand. Not here: that outcomes bring theirs
// (test/operations/named-artifacts.test.ts).
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runOfPlan } from "../../src/domain/id.ts";
import type { OrgId, RunArtifactId, RunId } from "../../src/domain/id.ts";
import type { RunArtifact, RunArtifactKind } from "../../src/domain/run-artifact.ts";
import type { StepRow } from "../../src/domain/step.ts";
import type { Tx } from "../../src/store/ports/store.ts";
import { PAGE } from "../../src/store/postgres/pages.ts";
import { aStepRow } from "../support/plan.ts";
import { aPlansRun, aRunArtifact } from "../support/runs.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const KINDS: readonly RunArtifactKind[] = ["SBOM", "OTHER", "TEST_REPORT"];

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
  });
  afterAll(() => it.end());
  const inOrg = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => it.store.transaction([orgId], work);

  test("artifacts come back as they were added, in the order asked for; what is not there is not", async () => {
    const runId = newId() as RunId;
    const told = aRunArtifact(orgId, runId, {
      kind: "RISK_ASSESSMENT",
      uri: 'max://odd "uri" {\\}',
      contentHash: "sha256:abc",
      flags: { sbomPresent: false, slsaProvenancePresent: true, riskAssessmentPresent: true },
      additional: '{"a":[1,{"b":null}]}',
    });
    const named = aRunArtifact(orgId, runId, { origin: { step: "build", ordinal: 3, fencing: 2 ** 40 + 3 } });
    await inOrg((tx) => tx.runArtifacts.add([told, named]));
    const nobody = newId() as RunArtifactId;
    const ids = [named.artifactId, nobody, told.artifactId];
    expect(await inOrg((tx) => tx.runArtifacts.find(orgId, ids))).toEqual([named, undefined, told]);
    expect(await inOrg((tx) => tx.runArtifacts.find(orgId, []))).toEqual([]);
    await inOrg((tx) => tx.runArtifacts.add([]));
    await expect(inOrg((tx) => tx.runArtifacts.add([told]))).rejects.toThrow();
  });

  test("lists are of the run and of the kind that is asked for, newest first, and their pages join to the whole", async () => {
    const { orgId: org } = await addOrg(it.store);
    const runs = [newId(), newId()] as RunId[];
    const all = Array.from({ length: 30 }, (_, i) =>
      aRunArtifact(org, runs[i % 2] ?? runs[0] ?? ("" as RunId), {
        kind: KINDS[i % 3] ?? "OTHER",
        createdMs: 1_000 + Math.floor(i / 4),
      }),
    );
    await it.store.transaction([org], (tx) => tx.runArtifacts.add(all));
    all.sort((a, b) =>
      a.createdMs === b.createdMs ? (a.artifactId < b.artifactId ? 1 : -1) : b.createdMs - a.createdMs,
    );
    await it.store.transaction([org], async (tx) => {
      for (const runId of [null, ...runs, newId() as RunId])
        for (const kind of [null, ...KINDS, "BUILD_LOG" as const])
          for (const limit of [1, 7, 100]) {
            const found: RunArtifact[] = [];
            for (;;) {
              const last = found.at(-1);
              const after = last === undefined ? null : [last.createdMs, last.artifactId];
              const page = await tx.runArtifacts.list(org, { runId, kind }, { limit, after });
              found.push(...page);
              if (page.length < limit) break;
            }
            expect(found).toEqual(
              all.filter((a) => (runId === null || a.runId === runId) && (kind === null || a.kind === kind)),
            );
          }
    });
  });

  test("what the last success of a current step named stands, and what calls told of; nothing else does", async () => {
    const goal = aGoal(aCharter(orgId));
    const { planId } = goal;
    const runId = runOfPlan(planId);
    const states: readonly Partial<StepRow>[] = [
      { state: "SUCCEEDED" },
      { state: "SUCCEEDED", current: false },
      { state: "COMPENSATED", undoing: true },
      { state: "COMPENSATING", undoing: true },
      { state: "FAILED" },
      { state: "READY" },
      { state: "PENDING" },
    ];
    const rows = states.map((fields, i) => aStepRow(planId, i + 1, { fencing: 5, ...fields }));
    const from = (ordinal: number, fencing: number, createdMs: number): RunArtifact =>
      aRunArtifact(orgId, runId, { createdMs, origin: { step: `s${String(ordinal)}`, ordinal, fencing } });
    const stands = from(1, 5, 4_000);
    const told = aRunArtifact(orgId, runId, { createdMs: 9_000 });
    await inOrg(async (tx) => {
      await tx.goals.add(goal);
      await tx.runs.addOfPlan(aPlansRun(goal));
      await tx.plans.addSteps(
        orgId,
        planId,
        rows.map((row) => ({ row, input: null })),
        [],
      );
      // Of an earlier attempt, of rows in other states, and of a row that is not there.
      await tx.runArtifacts.add([
        stands,
        told,
        from(1, 4, 8_000),
        ...rows.slice(1).map((r) => from(r.ordinal, 5, 7_000)),
        from(99, 5, 1),
      ]);
      expect(await tx.runArtifacts.standing(orgId, runId, 100)).toEqual([told, stands]);
      const withoutMetadata = [told, stands].map(({ additional: _, ...judged }) => judged);
      expect(await tx.runArtifacts.judged(orgId, runId, 100)).toEqual(withoutMetadata);
      expect(await tx.runArtifacts.standing(orgId, runId, 1)).toEqual([told]);
      expect(await tx.runArtifacts.standing(orgId, newId() as RunId, 100)).toEqual([]);
    });
  });

  test("many that stand are read in pages, newest first, none twice and none beyond the limit", async () => {
    const runId = newId() as RunId;
    const all = Array.from({ length: 2 * PAGE + 10 }, (_, i) =>
      aRunArtifact(orgId, runId, { createdMs: 1_000 + Math.floor(i / 7) }),
    );
    await inOrg((tx) => tx.runArtifacts.add(all));
    all.sort((a, b) =>
      a.createdMs === b.createdMs ? (a.artifactId < b.artifactId ? 1 : -1) : b.createdMs - a.createdMs,
    );
    for (const limit of [10_000, 2 * PAGE, PAGE + 1, PAGE, 3])
      expect(await inOrg((tx) => tx.runArtifacts.standing(orgId, runId, limit))).toEqual(all.slice(0, limit));
  });
});
