// `maestro packs verify`: what it says and how it ends, on a file alone. Not here: the checks themselves, see
// test/wire/packs-forged.test.ts; the other commands of packs, which need a server.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { archiveOf, filesOf, forger, signedAnew } from "../support/packs.ts";
import { richPack } from "../support/packs-stage.ts";
import type { RichPack } from "../support/packs-stage.ts";
import { here, NODE } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "maestro-verify-"));
const file = join(folder, "release.tar.gz");
const broken = join(folder, "broken.tar.gz");
const forged = join(folder, "forged.tar.gz");
const pem = join(folder, "signer.pem");
let pack: RichPack;
beforeAll(async () => {
  pack = await richPack();
  writeFileSync(file, pack.archive);
  writeFileSync(broken, pack.archive.subarray(0, 5_000));
  writeFileSync(forged, await archiveOf(signedAnew(await filesOf(pack.archive), forger())));
  writeFileSync(pem, pack.publicPem);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const STRANGER = `sha256:${"0".repeat(64)}`;

test("says what a pack is of, every check, and that the key is the one that was given", async () => {
  for (const flags of [
    ["--key", pem],
    ["--key-id", pack.keyId],
  ]) {
    const { code, out, err } = await here(["packs", "verify", file, ...flags]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^run +run_\w+ rich\n/);
    for (const check of [
      "archive",
      "signature",
      "files",
      "manifest",
      "artifacts",
      "evidence",
      "waivers",
      "records",
      "gate",
    ])
      expect(out).toMatch(new RegExp(`^${check} +ok +\\S`, "m"));
    expect(out).toMatch(/^left out +content of 1 \(elsewhere\)$/m);
    expect(out).toMatch(/1 body withheld$/m);
    expect(out).toContain(`key       ${pack.keyId}\n`);
    expect(out).toMatch(/verifies\. The key is the one that you gave\.\n$/);
  }
});

test("says plainly when nobody said whose key it is, under its other name as well", async () => {
  for (const name of ["packs", "pack"]) {
    const { code, out } = await here([name, "verify", forged]);
    expect(code).toBe(0);
    expect(out).toMatch(/The key is the archive's own: .*Give --key or --key-id\.\n$/);
  }
});

test("ends with 1 and says what does not hold", async () => {
  const other = await here(["packs", "verify", forged, "--key-id", pack.keyId]);
  expect(other.code).toBe(1);
  expect(other.out).toMatch(/^signature +FAILED +its statement is not signed by the key that was given$/m);
  for (const check of ["files", "manifest", "gate"])
    expect(other.out).toMatch(new RegExp(`^${check} +\\? +not checked: what it is held against is not known`, "m"));
  expect(other.err).toMatch(/signature: its statement is not signed by the key that was given\n$/);
  expect(other.err).toMatch(/forged\.tar\.gz does not verify: signature: its statement is not signed by/);
  const early = await here(["packs", "verify", broken]);
  expect(early.code).toBe(1);
  expect(early.out).toMatch(/^CHECK +FOUND\narchive +FAILED +it is broken off/);
});

test("one that was packed again is told so", async () => {
  const again = join(folder, "again.tar.gz");
  writeFileSync(again, gzipSync(gunzipSync(pack.archive)));
  const { code, out } = await here(["packs", "verify", again]);
  expect(code).toBe(1);
  expect(out).toMatch(
    /^archive +FAILED +it does not begin as exported packs do: it is something else, or was packed again$/m,
  );
});

test("--json is one object with every check, and nothing of what is not to be believed", async () => {
  const good = await here(["--json", "packs", "verify", file, "--key", pem]);
  const told = JSON.parse(good.out) as Record<string, unknown>;
  expect(told).toMatchObject({ file, ok: true, key_id: pack.keyId, key_pinned: true, release_gate: { passed: false } });
  expect(told["checks"]).toHaveLength(9);
  const bad = await here(["--json", "packs", "verify", file, "--key-id", STRANGER]);
  expect(bad.code).toBe(1);
  const untold = JSON.parse(bad.out) as Record<string, unknown>;
  expect(untold).toMatchObject({ ok: false, key_id: "", key_pinned: true });
  expect(Object.keys(untold)).toEqual(["file", "ok", "key_id", "key_pinned", "checks"]);
  expect(JSON.parse(bad.err)).toMatchObject({ error: { reason: "NOT_VERIFIED", exit_code: 1 } });
  expect(await here(["--quiet", "packs", "verify", file])).toEqual({ code: 0, out: "", err: "" });
});

test.each([
  [["absent.tar.gz"], /absent\.tar\.gz cannot be read: there is none\n$/],
  [[folder], /cannot be read: it is a folder\n$/],
  [[file, "--key", file], /release\.tar\.gz is no public key in PEM; one begins with -----BEGIN PUBLIC KEY-----\n$/],
  [[file, "--key", folder], /cannot be read: it is a folder\n$/],
  [[file, "--key", "absent.pem"], /absent\.pem cannot be read: there is none\n$/],
  [[file, "--key-id", "sha256:12"], /--key-id must be sha256: and 64/],
  [[file, "--key", pem, "--key-id", STRANGER], /give --key or --key-id, not both/],
])("is misused with %j", async (args, why) => {
  const { code, out, err } = await here(["packs", "verify", ...args]);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(why);
});

test("needs neither server nor settings nor folder, and takes the archive from standard input", () => {
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const [node = "", ...flags] = NODE;
  const args = [...flags, main, "packs", "verify", "-", "--key-id", pack.keyId];
  const { status, stdout, stderr } = spawnSync(node, args, { input: readFileSync(file), cwd: "/", env: {} });
  expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
  expect(stdout.toString()).toMatch(/^- verifies\./m);
});
