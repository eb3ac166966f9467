// What an importer of the library meets before anything runs: the Node it needs, and declarations that ask for no globals of
// Node. Not here: what it does, see library.test.ts.
import { readFileSync } from "node:fs";
import ts from "typescript";
import { expect, test } from "vitest";
import { nodeProblem } from "../../src/executor/node-version.ts";

test.each([
  ["v20.19.5", "maestro/executor needs Node 22.13 or newer; this is v20.19.5."],
  ["v22.12.0", "maestro/executor needs Node 22.13 or newer; this is v22.12.0."],
  ["v22.13.0", undefined],
  ["v24.0.0", undefined],
])("on Node %s it says %s", (version, said) => {
  expect(nodeProblem(version, ">=22.13")).toBe(said);
});

test("the Node is looked at before anything else is loaded", () => {
  const source = readFileSync(new URL("../../src/executor/executor.ts", import.meta.url), "utf8");
  expect(/^import (?!type).*/m.exec(source)?.[0]).toBe('import "./node-version.ts";');
});

test.each(["errors", "options", "step"])("the declarations of %s need no types of Node", (name) => {
  const source = readFileSync(new URL(`../../src/executor/${name}.ts`, import.meta.url), "utf8");
  const { outputText } = ts.transpileDeclaration(source, {});
  expect(outputText).toContain("export");
  expect(outputText).not.toMatch(/\bNodeJS\b|\bBuffer\b/);
});
