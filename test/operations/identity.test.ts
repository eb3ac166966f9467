// Orgs and API keys against a real store.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KeyId, OrgId } from "../../src/domain/id.ts";
import { DEFAULT_ORG } from "../../src/domain/principal.ts";
import { newSecret } from "../../src/operations/api-key.ts";
import { identityCreateKey } from "../../src/operations/identity-create-key.ts";
import { identityCreateOrg } from "../../src/operations/identity-create-org.ts";
import { identityListKeys } from "../../src/operations/identity-list-keys.ts";
import { identityRevokeKey } from "../../src/operations/identity-revoke-key.ts";
import { identityWho } from "../../src/operations/identity-who.ts";
import { newId } from "../support/store.ts";
import { FIRST, openBench, random } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.end());

test("a secret has 32 random bytes in base 62", () => {
  expect(newSecret(random)).toMatch(/^mk_[0-9A-Za-z]{43}$/);
  expect(newSecret({ bytes: () => new Uint8Array(32), fraction: () => 0 })).toBe(`mk_${"0".repeat(43)}`);
});

test("a key is kept only as a digest, is listed, and ends once", async () => {
  const { key, secret } = await bench.value(identityCreateKey, {
    principal: "ci",
    grants: ["map.maestro.goal.refine"],
    lifetimeMs: 60_000,
  });
  expect(key.expiresMs).toBe(key.createdMs + 60_000);
  const found = await bench.it.store.platform.findKey(createHash("sha256").update(secret).digest());
  expect(found).toMatchObject({ keyId: key.keyId, principal: "ci", grants: ["map.maestro.goal.refine"] });
  expect((await bench.value(identityListKeys, { page: FIRST })).items).toEqual([key]);
  const ended: string[] = [];
  const revoke = identityRevokeKey({ keyEnded: (keyId) => void ended.push(keyId) });
  const result = await bench.run(revoke, { keyId: key.keyId });
  if (!("done" in result)) throw new Error("refused");
  result.done.afterCommit?.();
  expect(ended).toEqual([key.keyId]);
  const again = await bench.value(revoke, { keyId: key.keyId });
  expect(again.revokedMs).toBe(result.done.value.revokedMs);
  expect(await bench.refusal(revoke, { keyId: newId() as KeyId })).toMatchObject({
    reason: "NOT_FOUND",
    metadata: { kind: "key" },
  });
});

test.each([
  [["map.maestro.goal.*"], ["map.maestro.goal.refine"], null],
  [["map.maestro.goal.*"], ["map.maestro.goal.*"], null],
  [["*"], ["*", "anything"], null],
  [["map.maestro.goal.*"], ["map.maestro.*"], "map.maestro.*"],
  [["map.maestro.goal.refine"], ["map.maestro.goal.refine*"], "map.maestro.goal.refine*"],
  [["map.maestro.goal.refine"], ["map.maestro.goal.refine", "maestro:plan"], "maestro:plan"],
])("a maker with %j that grants %j lacks %j", async (own, grants, lacking) => {
  const result = await bench.run(
    identityCreateKey,
    { principal: "p", grants, lifetimeMs: null },
    bench.context("maker", own),
  );
  if (lacking === null) expect(result).toHaveProperty("done");
  else expect(result).toMatchObject({ refusal: { reason: "CAPABILITY_MISSING", metadata: { capability: lacking } } });
});

test("only the first org makes orgs", async () => {
  expect(await bench.value(identityWho, {})).toMatchObject({
    org: { orgId: bench.org.orgId },
    principal: { name: "alice" },
  });
  expect(await bench.refusal(identityCreateOrg, { name: "new" })).toMatchObject({ reason: "CAPABILITY_MISSING" });
});

test("an org is made with a key that may do everything in it", async () => {
  const { store } = bench.it;
  const home = await store.platform.ensureOrg({ orgId: newId() as OrgId, name: DEFAULT_ORG, createdMs: 1 });
  const context = bench.context();
  const as = { ...context, principal: { ...context.principal, orgId: home.orgId } };
  const create = (name: string) => store.transaction([home.orgId], (tx) => identityCreateOrg(tx, { name }, as));
  const made = await create("branch");
  if (!made.ok || !("value" in made.value)) throw new Error("no org was made");
  const { org, key, secret } = made.value.value;
  expect(await store.platform.findKey(createHash("sha256").update(secret).digest())).toMatchObject({
    orgId: org.orgId,
    keyId: key.keyId,
    grants: ["*"],
  });
  const taken = await create("branch");
  expect(taken).toMatchObject({
    ok: false,
    refusal: { reason: "ALREADY_EXISTS", metadata: { kind: "org", id: "branch" } },
  });
});
