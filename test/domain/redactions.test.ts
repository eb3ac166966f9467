// Redactions of packs: what withholds nothing is refused, and the list of kinds is what plans record. Not here: withholding itself.
import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PLAN_RECORD_KINDS, judgeRedactions } from "../../src/domain/release/redactions.ts";

test.each([["outcome.*"], ["*"], ["*.*"], ["plan.susp*"], ["step.failed"]])("%s withholds something", (pattern) => {
  expect(judgeRedactions([pattern])).toEqual({ ok: true, value: null });
});

test.each([["outcmoe.*"], ["OUTCOME.*"], ["["], ["(?"], ["outcome"], ["conductor.*"]])(
  "%s withholds nothing, and is refused with the kinds that there are",
  (pattern) => {
    const judged = judgeRedactions(["*", pattern]);
    expect(judged).toMatchObject({
      ok: false,
      refusal: {
        reason: "INVALID_REQUEST",
        violations: [{ field: "redactions[1]", description: expect.stringContaining("outcome.report") as string }],
      },
    });
  },
);

test("one that is given again is refused", () => {
  expect(judgeRedactions(["outcome.*", "plan.*", "outcome.*"])).toMatchObject({
    ok: false,
    refusal: { violations: [{ field: "redactions[2]", rule: "pack.redaction_twice" }] },
  });
});

test("every kind that plans are seen to record is known", () => {
  const sources = [...globSync("src/domain/plan/*.ts"), ...globSync("src/operations/*.ts")].map((path) =>
    readFileSync(path, "utf8"),
  );
  const written = sources.flatMap((text) => [
    ...[...text.matchAll(/(?:\brecord\(|\brecordOf\(|\bkeepEvidence\(.*)\s*"([a-z_]+\.[a-z_]+)"/g)].map(
      ([, kind]) => kind,
    ),
    ...[...text.matchAll(/operation: "([a-z_]+\.[a-z_]+)"/g)].map(([, kind]) => kind),
    ...[...text.matchAll(/\? "(lease\.\w+)" : "(lease\.\w+)"/g)].flatMap(([, one, other]) => [one, other]),
  ]);
  expect(new Set(written).size).toBeGreaterThan(10);
  expect(written.filter((kind) => !PLAN_RECORD_KINDS.includes(kind ?? ""))).toEqual([]);
});
