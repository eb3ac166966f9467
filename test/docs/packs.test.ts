// docs/packs.md says all that is needed to verify a pack: a program of others does, with nothing of ours. Not here: our own verifier.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { archiveOf, changed, filesOf, forger, signedAnew } from "../support/packs.ts";
import type { Files } from "../support/packs.ts";
import { richPack } from "../support/packs-stage.ts";
import type { RichPack } from "../support/packs-stage.ts";

const SCRIPT = fileURLToPath(new URL("../../docs/verify_pack.py", import.meta.url));
/** Ed25519 over a file needs OpenSSL 3. */
const isThere = ["python3", "openssl"].every((program) => spawnSync(program, ["--help"]).error === undefined);

const folder = mkdtempSync(join(tmpdir(), "maestro-pack-"));
let pack: RichPack;
let files: Files;
beforeAll(async () => {
  pack = await richPack();
  files = await filesOf(pack.archive);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const verify = (archive: Uint8Array, keyId = pack.keyId) => {
  const file = join(folder, "pack.tar.gz");
  writeFileSync(file, archive);
  return spawnSync("python3", [SCRIPT, file, keyId], { encoding: "utf8" });
};

test.runIf(isThere)("the script verifies a pack with evidence, waivers, and records with and without bodies", () => {
  expect(execFileSync("openssl", ["version"], { encoding: "utf8" })).toMatch(/^OpenSSL [3-9]/);
  const { status, stdout, stderr } = verify(pack.archive);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^run_\w{26}: 8 files, \d+ records, gate FAILED\n$/);
});

test.runIf(isThere)("and finds another key, another file, and records that somebody else signed", async () => {
  const key = forger();
  expect(verify(pack.archive, key.keyId).stderr).toMatch(/is none of its keys/);
  const manifest = changed(files, "manifest.json", (content) =>
    content.toString("utf8").replace('"passed":false', '"passed":true'),
  );
  expect(verify(await archiveOf(manifest)).stderr).toMatch(/a file is not as it was signed/);
  const record = changed(files, "records/000001.jsonl", (content) => content.toString("utf8").replace('"at', '"aT'));
  const later = changed(files, "records/000001.jsonl", (content) => content.subarray(content.indexOf("\n") + 1));
  for (const [forged, why] of [
    [record, /record \d+ has another leaf/],
    [later, /records are missing/],
  ] as const)
    expect(verify(await archiveOf(signedAnew(forged, key)), key.keyId).stderr).toMatch(why);
});
