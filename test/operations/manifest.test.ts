// How much a manifest may hold. Not here: what is in one, see ../wire/runs.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { manifestGet } from "../../src/operations/manifest-get.ts";
import { releaseGate } from "../../src/operations/release-gate.ts";
import { aRunArtifact, aToldRun } from "../support/runs.ts";
import { openBench } from "./bench.ts";
import type { Bench } from "./bench.ts";

const gate = releaseGate({ read: async () => "BUSY" });
let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.end());

test("artifacts that say more than a manifest holds are refused before all of them are read", async () => {
  const { orgId } = bench.org;
  const run = aToldRun(orgId);
  const additional = JSON.stringify({ a: "x".repeat(1_000) });
  const artifacts = Array.from({ length: 1_200 }, () => aRunArtifact(orgId, run.runId, { additional }));
  const { read, most } = await bench.it.store.transaction([orgId], async (tx) => {
    await tx.runs.add([run]);
    await tx.runArtifacts.add(artifacts);
    return {
      read: await tx.runArtifacts.standing(orgId, run.runId, 10_000, 5_000),
      most: await tx.runArtifacts.standing(orgId, run.runId, 10_000),
    };
  });
  expect(most).toHaveLength(1_200);
  expect(read.length).toBeLessThan(1_000);
  const name = { id: run.runId, text: run.runId };
  expect((await bench.value(manifestGet(gate), name)).artifacts).toHaveLength(1_200);
  expect(await bench.refusal(manifestGet(gate, 1_000_000), name)).toMatchObject({
    reason: "TOO_LARGE",
    rule: "manifest.size",
  });
});
