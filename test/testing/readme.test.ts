// The examples of the testing library's README are run by the runner that they are written for. Not here: whether links
// lead somewhere, see scripts/check-docs.ts.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { NODE, Running } from "../cli/command.ts";

const SRC = new URL("../../src/", import.meta.url);
const text = readFileSync(new URL("testing/README.md", SRC), "utf8");
const snippets = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
const folder = mkdtempSync(join(tmpdir(), "maestro readme-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("there are examples of both ways", () => {
  expect(snippets).toHaveLength(2);
});

test.each(snippets.map((code, i) => [i + 1, code] as const))(
  "example %i passes under node:test",
  { timeout: 60_000 },
  async (number, code) => {
    const file = join(folder, `example-${number}.test.mts`);
    const at = (path: string): string => JSON.stringify(new URL(path, SRC).href);
    writeFileSync(
      file,
      code
        .replaceAll('"maestro/executor"', at("executor/executor.ts"))
        .replaceAll('"maestro/testing"', at("testing/testing.ts")),
    );
    const {
      code: exit,
      out,
      err,
    } = await new Running([...NODE, "--test", file], {
      cwd: fileURLToPath(new URL("..", SRC)),
    }).ended;
    expect(exit, out + err).toBe(0);
    expect(out).toMatch(/^\S+ pass 3$/m);
    expect(out).toMatch(/^\S+ fail 0$/m);
  },
);
