// `maestro keys` and `grants`: keys are made, listed and revoked, and what each may do is told as the server would decide it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { OPERATIONS } from "../../src/cli/services.ts";
import { operationTable } from "../../src/transport/operation-table.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

test("a key's secret is printed alone, and works until the key is revoked by its principal's name", async () => {
  const made = await stage.here("keys", "create", "ci", "--grant", "map.maestro.query.goals", "--lifetime", "30d");
  expect(made.err).toMatch(/^key key_\w+ of ci until \d{4}-\S+ \S+Z; its secret is shown only now:\n$/);
  expect(made.out).toMatch(/^\S{32,}\n$/);
  const secret = made.out.trimEnd();
  const goals = () => stage.here("--api-key", secret, "goals");
  expect((await goals()).out).toBe("no goals\n");
  const plans = await stage.here("--api-key", secret, "plans");
  expect(plans.err).toMatch(/^maestro: refused: CAPABILITY_MISSING — .*\n(.*\n)*.*map\.maestro\.plan\.list/);
  expect(plans.err).not.toContain(secret);

  const list = await stage.here("keys");
  expect(list.out).toMatch(/^KEY +PRINCIPAL +STATE +MADE +ENDS +GRANTS\n/);
  expect(list.out).toMatch(/^key_\w+ +ci +valid +\S+ \S+Z +\S+ \S+Z +map\.maestro\.query\.goals$/m);
  expect(list.out).not.toContain(secret);
  expect((await stage.here("keys", "revoke", "ci")).out).toMatch(/^revoked key_\w+ of ci\n$/);
  expect((await goals()).err).toMatch(/^maestro: refused: UNAUTHENTICATED — /);
  expect((await stage.here("keys")).out).toMatch(/ +ci +revoked +/);
});

test("--json says the key with its secret, --quiet the secret alone, and a principal's several keys are told apart", async () => {
  const create = ["keys", "create", "twin", "--grant", "map.maestro.plan.*", "--grant", "map.maestro.step.get"];
  const json = JSON.parse((await stage.here("--json", ...create)).out) as { key: { key_id: string }; secret: string };
  expect(json).toMatchObject({ key: { principal: "twin", grants: ["map.maestro.plan.*", "map.maestro.step.get"] } });
  const quiet = await stage.here("--quiet", ...create);
  expect(quiet).toMatchObject({ code: 0, err: "", out: expect.stringMatching(/^\S+\n$/) as unknown });
  const both = await stage.here("keys", "revoke", "twin");
  expect(both.err).toMatch(
    /^maestro: 2 keys are of "twin", newest first; name one by its id:\n {2}key_\w+\n {2}key_\w+\n$/,
  );
  expect(both.code).toBe(2);
  const revoked = await stage.here("--json", "keys", "revoke", json.key.key_id);
  expect(JSON.parse(revoked.out)).toMatchObject({ key_id: json.key.key_id, revoked_at: expect.any(String) as unknown });
});

test.each([
  [["keys", "create", "none"], 2, /^say what the key may do with --grant/],
  [["keys", "create", "none", "--grant", "x", "--lifetime", "soon"], 2, /must be a duration such as 12h or 90d/],
  [["keys", "revoke", "nobody"], 1, /^maestro: "nobody" is no key's id, and no principal with a key\n$/],
])("%j ends with %i", async (args, exit, said) => {
  const { code, out, err } = await stage.here(...args);
  expect(err).toMatch(said);
  expect([code, out]).toEqual([exit, ""]);
});

test("the operations that are told are those of the server, each once", () => {
  const served = [...operationTable().values()].flatMap(({ method, parts }) =>
    parts.map((part) => ({ method: method.replace(/^maestro\.(conductor\.)?v1\./, ""), ...part })),
  );
  expect(OPERATIONS).toEqual(served);
});

test("says what the caller may do, and what a key may not", async () => {
  const mine = await stage.here("grants");
  expect(mine.out).toMatch(/^local of org default: \S/);
  expect(mine.out).toMatch(/^MAY +OPERATION +CAPABILITY +KIND +METHOD$/m);
  expect(mine.out).toMatch(/^yes +goal\.refine +map\.maestro\.goal\.refine +changes +MaestroService\/RefineGoal$/m);
  expect(mine.out).toMatch(/^yes +plan\.get +map\.maestro\.plan\.get +looks +PlanService\/GetPlan$/m);
  expect(mine.out).not.toMatch(/^no /m);

  await stage.here("keys", "create", "dash", "--grant", "map.maestro.plan.*");
  const rows = async (...flags: readonly string[]) =>
    (await stage.here("--json", "grants", "dash", ...flags)).out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { capability: string; granted: boolean });
  const all = await rows();
  expect(all).toHaveLength(OPERATIONS.length);
  const granted = all.filter((row) => row.granted);
  expect(granted.map(({ capability }) => capability)).toContain("map.maestro.plan.cancel");
  expect(granted.every(({ capability }) => capability.startsWith("map.maestro.plan."))).toBe(true);
  expect(await rows("--granted")).toEqual(granted);
  expect(await rows("--missing")).toEqual(all.filter((row) => !row.granted));
  await stage.here("keys", "revoke", "dash");
});
