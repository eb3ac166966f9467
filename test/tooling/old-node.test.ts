// A machine whose own Node is too old: the npm scripts run the Node that the project brings, and the package says what it needs.
// Not here: a Node that is not there; where the machine's own is new enough, there is nothing to see, and that is said.
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { test as plainTest, expect } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { engines, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly engines: { readonly node: string };
  readonly devDependencies: { readonly node: string };
};

/** The machine's own programs. */
const path = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((folder) => !/node_modules[\\/]\.bin[\\/]?$/.test(folder))
  .join(delimiter);
const env = { ...process.env, PATH: path };
const own = spawnSync("node", ["--version"], { env, encoding: "utf8" }).stdout?.trim() ?? "";
const old = Number(/^v(\d+)/.exec(own)?.[1] ?? Number.NaN) < 22;
if (!old) console.warn(`NOT TESTED: with an old Node; this machine's own is ${own === "" ? "none" : own}`);
const test = plainTest.skipIf(!old);

test("npm scripts run the Node that the project pins", { timeout: 60_000 }, () => {
  const npm = (...args: readonly string[]): string =>
    execFileSync("npm", args, { cwd: root, env, encoding: "utf8", shell: process.platform === "win32" });
  expect(npm("exec", "--no", "--", "node", "--version").trim()).toBe(`v${devDependencies.node}`);
  expect(npm("run", "--silent", "maestro", "--", "--help")).toMatch(/^EXAMPLES$/m);
});

test("the built command says which Node it needs", () => {
  const folder = mkdtempSync(join(tmpdir(), "old-node-"));
  try {
    mkdirSync(join(folder, "dist/src"), { recursive: true });
    copyFileSync(join(root, "package.json"), join(folder, "package.json"));
    const source = readFileSync(join(root, "src/main.ts"), "utf8");
    const { target, module } = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext };
    const built = ts.transpileModule(source, { compilerOptions: { target, module } }).outputText;
    const main = join(folder, "dist/src/main.js");
    writeFileSync(main, built);
    const { status, stderr } = spawnSync("node", [main, "--help"], { env, encoding: "utf8" });
    expect(stderr).toBe(`Maestro needs Node ${engines.node.replace(">=", "")} or newer; this is ${own}.\n`);
    expect(status).toBe(2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
