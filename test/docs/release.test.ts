// The page about releasing: its commands are typed into a shell against a real server, its plan is checked. Not here: what the commands
// do otherwise, see test/cli/release.test.ts.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkPlanFile } from "../../src/cli/plan-file/check.ts";
import { NODE, Running } from "../cli/command.ts";
import type { Ended } from "../cli/command.ts";
import { Stage } from "../cli/stage.ts";
import { ROOT } from "./snippets.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const page = readFileSync(join(ROOT, "docs/release.md"), "utf8");
const blocks = (language: string): string[] =>
  [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, word, body = ""]) => (word === language ? [body] : []));

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

/** As a reader types it, with `maestro` in the path and the server where the page says. */
async function typed(block: string): Promise<Ended> {
  const command = [...NODE, MAIN].map((word) => `'${word}'`).join(" ");
  const text = block.replaceAll("http://127.0.0.1:8001", stage.server.wideUrl);
  return await new Running(["bash", "-euo", "pipefail", "-c", `maestro() { ${command} "$@"; }\n${text}`], {
    cwd: stage.folder,
    env: { MAESTRO_URL: stage.server.wideUrl },
  }).ended;
}

test("the commands tell of a run, ask the gate, and hand out a pack that verifies", { timeout: 120_000 }, async () => {
  writeFileSync(join(stage.folder, "sbom.cdx.json"), '{"bomFormat":"CycloneDX"}');
  const { code, out, err } = await typed(blocks("sh")[0] ?? "");
  expect({ code, err }).toMatchObject({ code: 0 });
  expect(out).toContain("not yet: 4");
  expect(out).toContain("gate       passes");
  expect(out).toMatch(/nightly\.tar\.gz verifies/);
  expect(existsSync(join(stage.folder, "nightly.tar.gz"))).toBe(true);
});

test("the requests do the same over REST", { timeout: 60_000 }, async () => {
  const { code, out } = await typed(blocks("sh")[1] ?? "");
  expect(code).toBe(0);
  expect(out).toContain('"message":"Release gate failed: no artifacts found"');
  expect(out).toContain('"release_gate_passed": false');
});

test("the plan is one", () => {
  const { publicKey } = generateKeyPairSync("ed25519");
  const key = publicKey.export({ format: "pem", type: "spki" }).toString();
  const [yaml = "", ...others] = blocks("yaml");
  const checked = checkPlanFile(yaml, () => key);
  expect(checked.ok ? checked.warnings : checked.mistakes).toEqual([]);
  expect(others).toEqual([]);
});
