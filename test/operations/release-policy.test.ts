// Release policies of charters: what may be declared, what counts as a change, and which revision holds for a goal.
import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canonicalText, digestOfText } from "../../src/domain/canonical.ts";
import { NO_RELEASE_POLICY } from "../../src/domain/charter.ts";
import type { ReleasePolicy } from "../../src/domain/charter.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { charterGet } from "../../src/operations/charter-get.ts";
import { asAdmin } from "../support/database.ts";
import { openBench, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.end());

function key(curve: "P-256" | "secp256k1"): string {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: curve });
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}
const policy = (builders: ReleasePolicy["builders"]): ReleasePolicy => ({
  ...NO_RELEASE_POLICY,
  mode: "VERIFIED",
  builders,
});

test("keys and builders are judged when the charter is declared", async () => {
  const good = key("P-256");
  const release = policy([
    { id: "ci", publicKeys: [good, key("secp256k1"), `${good}${good}`] },
    { id: "ci", publicKeys: [good] },
  ]);
  const no = await bench.refusal(charterDeclare, { name: "judged", terms: terms({ release }), expectedRevision: 0 });
  expect(no.reason).toBe("INVALID_REQUEST");
  expect(no.violations.map(({ field }) => field)).toEqual([
    "terms.release.builders[0].public_keys[1]",
    "terms.release.builders[0].public_keys[2]",
    "terms.release.builders[1].id",
  ]);
});

test("a policy that changes is another revision, and the same one again is none", async () => {
  const release = policy([{ id: "ci", publicKeys: [key("P-256")] }]);
  const declare = (given: ReleasePolicy) =>
    bench.value(charterDeclare, { name: "changing", terms: terms({ release: given }), expectedRevision: 0 });
  expect((await declare(NO_RELEASE_POLICY)).charter.revision).toBe(1);
  expect((await declare(release)).charter.revision).toBe(2);
  expect(await declare(release)).toMatchObject({ changed: false });
  expect((await bench.value(charterGet, { charter: "changing", revision: 0 })).terms.release).toEqual(release);
});

test("a charter from before there were policies believes the flags, and declaring it again changes nothing", async () => {
  await bench.value(charterDeclare, { name: "old", terms: terms(), expectedRevision: 0 });
  const { release: _, ...before } = terms();
  await asAdmin(bench.it.database.adminUrl, async (sql) => {
    await sql`UPDATE maestro.charters SET terms = ${JSON.stringify(before)}, digest = ${digestOfText(canonicalText(before))} WHERE name = 'old'`;
  });
  expect((await bench.value(charterGet, { charter: "old", revision: 0 })).terms.release).toEqual(NO_RELEASE_POLICY);
  expect(await bench.value(charterDeclare, { name: "old", terms: terms(), expectedRevision: 0 })).toMatchObject({
    changed: false,
  });
});
