// `maestro init`: what it writes is a plan that runs, and nothing is overwritten. Not here: what a plan file may hold, see
// plan-file.test.ts.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { checkPlanFile } from "../../src/cli/plan-file/check.ts";
import { here } from "./command.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.executor("init-shell");
});
afterAll(() => stage.close());

function folder(name: string): string {
  const path = join(stage.folder, name);
  mkdirSync(path);
  return path;
}

const read = (...path: readonly string[]): string => readFileSync(join(...path), "utf8");

test.each(["plan.yaml", "plan.json"])("a plan in %s that its own schema takes, and that completes", async (name) => {
  const at = folder(`nightly ${name}`);
  const made = await stage.here("init", join(at, name));
  expect(made).toMatchObject({ code: 0, err: "" });
  expect(readdirSync(at).sort()).toEqual(["maestro-plan.schema.json", name]);

  const text = read(at, name);
  const schema = JSON.parse(read(at, "maestro-plan.schema.json")) as object;
  expect(new Ajv2020({ strict: false }).compile(schema)(parse(text))).toBe(true);
  if (name.endsWith("yaml")) expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/maestro-plan\.schema\.json\n/);
  else expect(JSON.parse(text)).toMatchObject({ $schema: "./maestro-plan.schema.json" });
  expect(checkPlanFile(text)).toMatchObject({ ok: true, warnings: [] });

  const applied = await stage.here("apply", join(at, name), "--again");
  expect(applied.err).toBe("");
  expect(applied.out).toMatch(/COMPLETED in .*; 3 of 3 steps succeeded/);
  const planId = /plan_\w+/.exec(applied.out)?.[0] ?? "";
  expect((await stage.here("logs", planId, "report")).out).toBe("fetched 3\n");
});

test("overwrites neither a plan nor a schema that is not its own, and brings its own up to date", async () => {
  const at = folder("kept");
  const file = join(at, "plan.yaml");
  writeFileSync(file, "mine\n");
  expect(await stage.here("init", file)).toEqual({
    code: 1,
    out: "",
    err: `${file} is there already, and is not overwritten\n`,
  });
  expect(read(file)).toBe("mine\n");

  const schema = join(at, "maestro-plan.schema.json");
  writeFileSync(schema, '{"title":"Somebody else\'s"}');
  expect((await stage.here("init", join(at, "other.yaml"))).err).toContain(`${schema} is there already`);
  expect(existsSync(join(at, "other.yaml"))).toBe(false);
  expect((await stage.here("init", join(at, "other.yaml"), "--no-schema")).code).toBe(0);
  expect(read(at, "other.yaml")).not.toContain("$schema");

  writeFileSync(schema, '{"title":"Maestro plan file"}');
  expect((await stage.here("init", join(at, "third.yaml"))).code).toBe(0);
  expect(JSON.parse(read(schema))).toHaveProperty("properties");
});

test("--json makes a JSON file and says what was written as JSON; - prints the plan alone", async () => {
  const at = folder("json");
  const made = await stage.run(["init", "--json"], { cwd: at });
  expect(made).toEqual({ code: 0, err: "", out: '{"file":"plan.json","schema":"maestro-plan.schema.json"}\n' });
  expect(checkPlanFile(read(at, "plan.json"))).toMatchObject({ ok: true });
  const [yaml, json] = await Promise.all([here(["init", "-"]), here(["--json", "init", "-"])]);
  expect(checkPlanFile(yaml.out)).toMatchObject({ ok: true });
  expect(JSON.parse(json.out)).toHaveProperty("steps");
  expect(await stage.here("--quiet", "init", join(at, "quiet.yaml"))).toEqual({ code: 0, out: "", err: "" });
});

test("says that a file cannot be written", async () => {
  const { code, err } = await stage.here("init", join(stage.folder, "absent", "plan.yaml"));
  expect(err).toMatch(/ cannot be written: ENOENT/);
  expect(code).toBe(1);
});
