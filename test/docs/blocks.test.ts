// A block of a document that no test executes is found, and so is one that is said to be executed and is not there. Not here: the
// executing, see readme.test.ts and its neighbours.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { unexecuted } from "../../scripts/docs/blocks.ts";

const root = mkdtempSync(join(tmpdir(), "maestro blocks-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function problems(document: string, text: string): string[] {
  mkdirSync(dirname(join(root, document)), { recursive: true });
  writeFileSync(join(root, document), text);
  return unexecuted(root, [document]).filter((problem) => problem.startsWith(`${document}:`));
}

test("a block needs somebody who executes it, unless it is a diagram or a region of tested code", () => {
  expect(problems("docs/new.md", "# New\n\n```sh\nls\n```\n")).toEqual([
    "docs/new.md:3: a block of sh that no test executes; a diagram is fenced as text",
  ]);
  expect(problems("docs/new.md", "~~~\nls\n~~~\n")).toEqual([
    expect.stringMatching(/^docs\/new\.md:1: a block without/),
  ]);
  expect(problems("docs/new.md", "```text\na → b\n```\n\n<!-- go: hello -->\n\n```go\nx\n```\n")).toEqual([]);
});

test("blocks that are known are counted: one more is executed by nobody", () => {
  const block = "```yaml\na: 1\n```\n";
  expect(problems("README.md", block + block)).toContain(
    "README.md: 2 blocks of yaml, and test/docs/readme.test.ts is known to execute 1",
  );
});
