// What `maestro export` writes and to whom: compressed files, and pipes that close. Not here: what a move brings, see
// move.test.ts, and rows and refusals one by one, see test/contract/move.test.ts.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { makeBareDatabase, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { fill } from "../support/filled.ts";
import { here, NODE, Running } from "./command.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const TIME = { timeout: 120_000 };
const folder = mkdtempSync(join(tmpdir(), "maestro-export-"));
const at = (name: string): string => join(folder, name);
const databases: TestDatabase[] = [];
let source: { readonly DATABASE_URL: string };

beforeAll(async () => {
  const one = await database(makeDatabase);
  await fill(one.adminUrl, { orgs: 1, plansEach: 2, stepsEach: 500, definitionBytes: 400 });
  source = { DATABASE_URL: one.url };
}, TIME.timeout);

afterAll(async () => {
  for (const one of databases) await one.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function database(make: typeof makeDatabase): Promise<TestDatabase> {
  const server = inject("servers").at(-1);
  if (server === undefined) throw new Error("there is no database server");
  const one = await make(server);
  databases.push(one);
  return one;
}

const packed = (name: string): boolean =>
  readFileSync(at(name))
    .subarray(0, 2)
    .equals(Buffer.from([0x1f, 0x8b]));

test(
  "a compressed export is known by its first bytes, holds the same, and is refused when it is cut off",
  TIME,
  async () => {
    for (const flags of [
      ["-o", "plain"],
      ["--output", "named.maestro.gz"],
      ["-o", "told", "--gzip"],
    ]) {
      const [name = "", file = "", ...more] = flags;
      expect(await here(["--quiet", "export", name, at(file), ...more], source)).toMatchObject({ code: 0, out: "" });
    }
    expect(["plain", "named.maestro.gz", "told"].map(packed)).toEqual([false, true, true]);
    expect(statSync(at("told")).size).toBeLessThan(statSync(at("plain")).size / 4);

    const cut = readFileSync(at("told"));
    writeFileSync(at("cut"), cut.subarray(0, cut.length - 100));
    writeFileSync(at("hurt"), Buffer.concat([cut.subarray(0, 500), Buffer.alloc(50), cut.subarray(550)]));
    const target = { DATABASE_URL: (await database(makeBareDatabase)).url };
    for (const [file, said] of [
      ["cut", /damaged: it was cut off/],
      ["hurt", /is damaged: /],
    ] as const) {
      const { code, out, err } = await here(["import", at(file)], target);
      expect([code, out, said.test(err)], err).toEqual([1, "", true]);
    }
    const { code, out, err } = await here(["import", at("told")], target);
    expect([code, out], err).toEqual([0, expect.stringMatching(/: 2 plans with 1000 steps, /)]);
  },
);

test("an export whose reader goes away ends with an exit code and one line, compressed or not", TIME, async () => {
  for (const flags of ["", "--gzip"]) {
    const command = [...NODE, MAIN].map((part) => `'${part}'`).join(" ");
    const line = `set -o pipefail; ${command} --quiet export ${flags} | head -c 100 >/dev/null; echo "\${PIPESTATUS[0]}"`;
    const { out, err } = await new Running(["bash", "-c", line], { env: source, cwd: folder }).ended;
    expect({ out, err }).toEqual({
      out: "141\n",
      err: "the reader went away before the end: what is there of the export cannot be imported\n",
    });
  }
});
