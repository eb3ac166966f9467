// The rules that tools hold do bite: every offence is planted in an empty project beside the real settings, and is named.
// That the present sources keep the rules is the business of `npm run lint`.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

let project: string;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "house-rules-"));
  for (const file of ["package.json", "tsconfig.json", "eslint.config.js", ".dependency-cruiser.js"]) {
    copyFileSync(join(root, file), join(project, file));
  }
});

afterEach(() => {
  rmSync(project, { recursive: true, force: true });
});

function write(path: string, text: string): void {
  const file = join(project, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function run(tool: string, ...args: readonly string[]): string {
  const result = spawnSync(process.execPath, [join(root, "node_modules", tool), ...args], {
    cwd: project,
    encoding: "utf8",
  });
  if (result.error !== undefined) throw result.error;
  return result.stdout + result.stderr;
}

function cruise(): string {
  return run("dependency-cruiser/bin/dependency-cruiser.mjs", "--config", ".dependency-cruiser.js", "src");
}

describe("layer rules", () => {
  const offences: readonly (readonly [rule: string, from: string, to: string])[] = [
    ["domain-imports-only-its-own", "src/domain/a.ts", "src/support/x.ts"],
    ["support-imports-only-its-own", "src/support/a.ts", "src/domain/x.ts"],
    ["operations-imports-only-its-own", "src/operations/a.ts", "src/store/postgres/x.ts"],
    ["operations-takes-types-only", "src/operations/b.ts", "src/engine/x.ts"],
    ["engine-imports-only-its-own", "src/engine/a.ts", "src/transport/x.ts"],
    ["engine-takes-types-only", "src/engine/b.ts", "src/operations/x.ts"],
    ["store-ports-imports-only-its-own", "src/store/ports/a.ts", "src/store/postgres/x.ts"],
    ["store-postgres-imports-only-its-own", "src/store/postgres/a.ts", "src/operations/x.ts"],
    ["dispatch-imports-only-its-own", "src/dispatch/a.ts", "src/operations/x.ts"],
    ["upkeep-imports-only-its-own", "src/upkeep/a.ts", "src/transport/x.ts"],
    ["neighbours-imports-only-its-own", "src/neighbours/max/port.ts", "src/engine/x.ts"],
    ["transport-imports-only-its-own", "src/transport/a.ts", "src/store/ports/x.ts"],
    ["transport-takes-types-only", "src/transport/b.ts", "src/dispatch/x.ts"],
    ["executor-imports-only-its-own", "src/executor/a.ts", "src/domain/x.ts"],
    ["cli-imports-only-its-own", "src/cli/a.ts", "src/engine/x.ts"],
    ["console-imports-only-its-own", "src/console/a.ts", "src/support/x.ts"],
    ["generated-code-at-the-edges", "src/dispatch/b.ts", "gen/x.ts"],
    ["app-is-the-root", "src/cli/watch.ts", "src/app.ts"],
    ["settings-are-handed-in", "src/transport/c.ts", "src/config.ts"],
    ["product-stands-alone", "src/support/b.ts", "test/x.ts"],
    ["domain-packages", "src/domain/b.ts", "node:fs"],
    ["drizzle-in-the-store", "src/upkeep/b.ts", "drizzle-orm"],
    ["postgres-driver-in-the-store", "src/dispatch/c.ts", "postgres"],
    ["runtime-packages-are-dependencies", "src/support/c.ts", "vitest"],
    ["imports-resolve", "src/support/d.ts", "src/support/nowhere.ts"],
    ["no-cycles", "src/support/e.ts", "src/support/e.ts"],
  ];

  test("name every offence by its rule", () => {
    for (const path of ["drizzle-orm", "postgres", "vitest"].map((name) => `node_modules/${name}`)) {
      write(`${path}/package.json`, '{ "type": "module", "exports": "./index.js" }');
      write(`${path}/index.js`, "export const x = 1;\n");
    }
    for (const [, from, to] of offences) {
      const target = to.endsWith(".ts") ? `${"../".repeat(from.split("/").length - 1)}${to}` : to;
      if (to.endsWith("/x.ts") || /^src\/\w+\.ts$/.test(to)) write(to, "export const x = 1;\n");
      write(from, `import { x } from "${target}";\nexport const y = x;\n`);
    }
    const output = cruise();
    const named = output.split("\n").map((line) => /error ([\w-]+): (\S+)/.exec(line)?.slice(1).join(" "));
    for (const [rule, from] of offences) expect(named).toContain(`${rule} ${from}`);
  });

  test("name a file that nothing starts from", () => {
    write("src/main.ts", 'import { x } from "./support/used.ts";\nexport const y = x;\n');
    write("src/support/used.ts", "export const x = 1;\n");
    write("src/support/unused.ts", "export const x = 1;\n");
    const output = cruise();
    expect(output).toContain("no-dead-files: src/support/unused.ts");
    expect(output).not.toContain("support/used.ts");
  });

  test("let the composition root and the entries do their work", () => {
    write("src/main.ts", 'import { x } from "./app.ts";\nexport const y = x;\n');
    write("src/app.ts", 'import { x } from "./operations/x.ts";\nexport { x };\n');
    write("src/operations/x.ts", 'import type { X } from "../engine/x.ts";\nexport const x: X = 1;\n');
    write("src/engine/x.ts", "export type X = number;\n");
    const output = cruise();
    expect(output).toContain("no dependency violations");
  });
});

describe("lint rules", () => {
  const offences: readonly (readonly [rule: string, path: string, line: string])[] = [
    ["no-restricted-globals", "src/engine/a.ts", "export const x = Date.now();"],
    ["no-restricted-globals", "src/engine/b.ts", "export const x = performance.now();"],
    ["no-restricted-globals", "src/engine/c.ts", "export const x = crypto.randomUUID();"],
    ["no-restricted-globals", "src/engine/d.ts", "export const x = globalThis.Date;"],
    ["no-restricted-properties", "src/engine/e.ts", "export const x = Math.random();"],
    ["no-restricted-properties", "src/engine/f.ts", 'export const x = process.env["HOME"];'],
    ["no-restricted-imports", "src/engine/g.ts", 'export { randomUUID } from "node:crypto";'],
    ["no-restricted-imports", "src/domain/a.ts", 'export { createCipheriv } from "node:crypto";'],
    ["no-restricted-syntax", "src/store/postgres/a.ts", 'export const x = "SELECT now()";'],
    ["no-restricted-syntax", "src/store/postgres/b.ts", "export const x = `SET at = CURRENT_TIMESTAMP`;"],
    ["no-restricted-syntax", "src/domain/b.ts", "export async function x(): Promise<void> {}"],
    ["no-restricted-syntax", "src/engine/h.ts", "export default 1;"],
    ["no-restricted-syntax", "src/engine/i.ts", 'export * from "node:path";'],
    ["no-console", "src/engine/j.ts", 'console.log("x");'],
    ["@typescript-eslint/no-explicit-any", "src/engine/k.ts", "export const x: any = 1;"],
    ["@typescript-eslint/no-floating-promises", "src/engine/l.ts", "Promise.resolve(1);"],
    [
      "@typescript-eslint/switch-exhaustiveness-check",
      "src/engine/m.ts",
      'export function x(y: "a" | "b"): void { switch (y) { case "a": } }',
    ],
  ];
  const allowed: readonly (readonly [path: string, line: string])[] = [
    ["src/support/clock.ts", "export const x = Date.now();"],
    ["src/support/random.ts", 'export { randomFillSync } from "node:crypto";'],
    ["src/config.ts", 'export const x = process.env["HOME"];'],
    ["src/executor/shell/environment.ts", "export const x = { ...process.env };"],
    ["src/cli/print.ts", 'console.log("x");'],
    ["src/domain/fingerprint.ts", 'export { createHash } from "node:crypto";'],
    ["src/store/postgres/c.ts", "export const x = (clock: { now(): number }): string => `at ${clock.now()}`;"],
    ["src/store/postgres/d.ts", "export const x = (at: Date): string => at.toISOString();"],
    ["test/a.test.ts", "export const x = Date.now();"],
  ];

  test("name every offence by its rule, and let through what has its place", () => {
    symlinkSync(join(root, "node_modules"), join(project, "node_modules"), "dir");
    for (const [, path, line] of offences) write(path, `${line}\n`);
    for (const [path, line] of allowed) write(path, `${line}\n`);
    const output = run("eslint/bin/eslint.js", "--format", "json", ".");
    const found = readResults(output);
    for (const [rule, path] of offences) expect(found.get(path), path).toContain(rule);
    for (const [path] of allowed) expect(found.get(path), path).toEqual([]);
  });

  /** Names of the rules broken, by path. */
  function readResults(output: string): ReadonlyMap<string, readonly string[]> {
    const results = JSON.parse(output) as {
      filePath: string;
      messages: { ruleId: string | null; message: string }[];
    }[];
    return new Map(
      results.map(({ filePath, messages }) => [
        filePath.slice(filePath.indexOf(project) + project.length + 1),
        messages.map(({ ruleId, message }) => ruleId ?? message),
      ]),
    );
  }
});
