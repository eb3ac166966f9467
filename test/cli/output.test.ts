// Standard output that takes less than a command has to say: the command fails, and says so. Not here: pipes whose reader goes
// away, see export.test.ts and lists.test.ts.
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NODE, Running } from "./command.ts";
import type { Ended } from "./command.ts";
import { mosaic15 } from "./recordings.ts";
import { Stage } from "./stage.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "maestro-output-"));
const recording = join(folder, "mosaic.json");
let stage: Stage;
beforeAll(async () => {
  writeFileSync(recording, JSON.stringify(mosaic15(20)));
  stage = await Stage.open();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await stage.close();
});

/** As if the disk were full after the first KiB, or before the first byte. */
async function cramped(kibibytes: 0 | 1, args: readonly string[], file: string, database = ""): Promise<Ended> {
  return new Running(["bash", "-c", `ulimit -f ${kibibytes}; exec "$@" >"$OUT"`, "bash", ...NODE, MAIN, ...args], {
    env: {
      OUT: join(folder, file),
      MAESTRO_URL: stage.server.wideUrl,
      NODE_COMPILE_CACHE: "",
      ...(database !== "" && { DATABASE_URL: database }),
    },
  }).ended;
}

const LOST = "what was asked for cannot be written to standard output: EFBIG: file too large, write";

test("what a file takes only the beginning of fails the command", async () => {
  for (const args of [["schema"], ["import", "wfcommons", recording, "--output", "-"]]) {
    const { code, err } = await cramped(1, args, "begun");
    expect([code, err], args.join(" ")).toEqual([1, expect.stringContaining(`maestro: ${LOST}\n`)]);
    expect(statSync(join(folder, "begun")).size).toBe(1024);
  }
});

test("a key whose secret is lost, and an answer to a program, are no success", async () => {
  const made = await cramped(0, ["keys", "create", "ci", "--grant", "map.maestro.*"], "secret");
  expect(made).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^key key_\S+ of ci; .*\nmaestro: what was /) as unknown,
  });
  const { code, err } = await cramped(0, ["--json", "schema"], "schema");
  expect([code, JSON.parse(err)]).toEqual([1, { error: { reason: "FAILED", message: LOST, exit_code: 1 } }]);
});

test("an export that is not whole says so", async () => {
  for (const flags of [[], ["--gzip"]]) {
    const ended = await cramped(0, ["export", "--quiet", "--force", ...flags], "export", stage.database.url);
    const end = `\n${LOST}: what is there of the export cannot be imported\n`;
    expect(ended).toEqual({ code: 1, out: "", err: expect.stringContaining(end) as unknown });
  }
});
