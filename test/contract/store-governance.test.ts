// Disclosure packs, workflows, waivers and signing keys in the store. Not here: runs and their artifacts.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OrgId, PackId, RunArtifactId, RunId, WaiverId, WorkflowId } from "../../src/domain/id.ts";
import type { PageRequest } from "../../src/store/ports/paging.ts";
import type { Tx } from "../../src/store/ports/store.ts";
import { aPack, aSigningKey, aWaiver, aWorkflow } from "../support/runs.ts";
import { addOrg, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const FIRST: PageRequest = { limit: 100, after: null };

/** A list read page by page. */
async function paged<T>(
  limit: number,
  page: (request: PageRequest) => Promise<readonly T[]>,
  key: (last: T) => readonly [number, string],
): Promise<readonly T[]> {
  const found: T[] = [];
  for (;;) {
    const last = found.at(-1);
    const next = await page({ limit, after: last === undefined ? null : key(last) });
    found.push(...next);
    if (next.length < limit) return found;
  }
}

const newest =
  <T>(of: (it: T) => readonly [number, string]) =>
  (a: T, b: T): number => {
    const [[aMs, aId], [bMs, bId]] = [of(a), of(b)];
    return aMs === bMs ? (aId < bId ? 1 : -1) : bMs - aMs;
  };

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
  });
  afterAll(() => it.end());
  const inOrg = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => it.store.transaction([orgId], work);

  test("a pack comes back as it was made; the very same of a run is there once, whoever adds it at the same time", async () => {
    const runId = newId() as RunId;
    const pack = aPack(orgId, runId, {
      artifactIds: [newId() as RunArtifactId, newId() as RunArtifactId],
      redactions: ["outcome.*", "*"],
      summary: 'odd "summary"',
    });
    expect(await inOrg((tx) => tx.disclosurePacks.add(pack))).toBe(true);
    expect(await inOrg((tx) => tx.disclosurePacks.find(orgId, pack.packId))).toEqual(pack);
    expect(await inOrg((tx) => tx.disclosurePacks.find(orgId, newId() as PackId))).toBeUndefined();
    const again = () => inOrg((tx) => tx.disclosurePacks.add({ ...pack, packId: newId() as PackId, digest: "same" }));
    expect((await Promise.all(Array.from({ length: 5 }, again))).filter((added) => added)).toHaveLength(1);
    const elsewhere = { ...pack, packId: newId() as PackId, runId: newId() as RunId };
    expect(await inOrg((tx) => tx.disclosurePacks.add(elsewhere))).toBe(true);
  });

  test("the newest pack of a run is the one that was made last, and lists are newest first", async () => {
    const { orgId: org } = await addOrg(it.store);
    const runs = [newId(), newId()] as RunId[];
    const packs = Array.from({ length: 9 }, (_, i) =>
      aPack(org, runs[i % 2] ?? ("" as RunId), { createdMs: 1_000 + Math.floor(i / 3) }),
    );
    await it.store.transaction([org], async (tx) => {
      for (const pack of packs) await tx.disclosurePacks.add(pack);
      packs.sort(newest((p) => [p.createdMs, p.packId]));
      for (const runId of [null, ...runs]) {
        const wanted = packs.filter((pack) => runId === null || pack.runId === runId);
        for (const limit of [1, 2, 100])
          expect(
            await paged(
              limit,
              (page) => tx.disclosurePacks.list(org, { runId }, page),
              (p) => [p.createdMs, p.packId],
            ),
          ).toEqual(wanted);
        if (runId !== null) expect(await tx.disclosurePacks.newest(org, runId)).toEqual(wanted[0]);
      }
      expect(await tx.disclosurePacks.newest(org, newId() as RunId)).toBeUndefined();
    });
  });

  test("workflows come back as they were made, and are listed newest first", async () => {
    const { orgId: org } = await addOrg(it.store);
    const flows = Array.from({ length: 7 }, (_, i) =>
      aWorkflow(org, {
        createdMs: 1_000 + Math.floor(i / 2),
        tasks: [
          { name: "Build", agentType: "builder" },
          { name: 'odd "task"', agentType: "tester" },
        ],
        dependencies: [{ task: 'odd "task"', dependsOn: "Build" }],
      }),
    );
    await it.store.transaction([org], async (tx) => {
      for (const flow of flows) await tx.workflows.add(flow);
      for (const flow of flows) expect(await tx.workflows.find(org, flow.workflowId)).toEqual(flow);
      expect(await tx.workflows.find(org, newId() as WorkflowId)).toBeUndefined();
      flows.sort(newest((w) => [w.createdMs, w.workflowId]));
      for (const limit of [1, 3, 100])
        expect(
          await paged(
            limit,
            (page) => tx.workflows.list(org, page),
            (w) => [w.createdMs, w.workflowId],
          ),
        ).toEqual(flows);
    });
  });

  test("waivers come back as they were granted, are taken back, and are listed newest first", async () => {
    const { orgId: org } = await addOrg(it.store);
    const runs = [newId(), newId()] as RunId[];
    const waivers = Array.from({ length: 7 }, (_, i) =>
      aWaiver(org, runs[i % 2] ?? ("" as RunId), {
        grantedMs: 1_000 + Math.floor(i / 2),
        artifactId: i === 0 ? (newId() as RunArtifactId) : null,
        envelope: '{"payload":"\\"odd"}',
      }),
    );
    await it.store.transaction([org], async (tx) => {
      for (const waiver of waivers) await tx.waivers.add(waiver);
      for (const waiver of waivers) expect(await tx.waivers.lock(org, waiver.waiverId)).toEqual(waiver);
      expect(await tx.waivers.lock(org, newId() as WaiverId)).toBeUndefined();
      const [first] = waivers;
      if (first === undefined) throw new Error("no waiver");
      await tx.waivers.revoke(org, first.waiverId, "carol", 5_000);
      waivers[0] = { ...first, revokedBy: "carol", revokedMs: 5_000 };
      waivers.sort(newest((w) => [w.grantedMs, w.waiverId]));
      for (const runId of [null, ...runs])
        for (const limit of [1, 3, 100])
          expect(
            await paged(
              limit,
              (page) => tx.waivers.list(org, { runId }, page),
              (w) => [w.grantedMs, w.waiverId],
            ),
          ).toEqual(waivers.filter((w) => runId === null || w.runId === runId));
      const standing = (atMs: number, limit = 10) => tx.waivers.standing(org, first.runId, atMs, limit);
      const stand = waivers.filter((w) => w.runId === first.runId && w.revokedMs === null);
      expect(await standing(1_999)).toEqual(stand);
      expect(await standing(1_999, 2)).toEqual(stand.slice(0, 2));
      expect(await standing(2_000)).toEqual([]);
    });
  });

  test("of several that need the org's first key at once one makes it, and all have it", async () => {
    const { orgId: org } = await addOrg(it.store);
    let made = 0;
    const ensure = () =>
      it.store.transaction([org], (tx) =>
        tx.signingKeys.ensure(org, () => {
          made += 1;
          return aSigningKey(org);
        }),
      );
    const keys = await Promise.all(Array.from({ length: 6 }, ensure));
    expect(made).toBe(1);
    expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(1);
    expect(await it.store.transaction([org], (tx) => tx.signingKeys.list(org, FIRST))).toEqual([keys[0]]);
    expect(await ensure()).toEqual(keys[0]);
  });
});
