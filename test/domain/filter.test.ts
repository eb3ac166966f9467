// Filters of goals: the subset, what is outside of it, and what a filter means.
import { describe, expect, it } from "vitest";
import { parseFilter } from "../../src/domain/filter/parse.ts";
import { satisfies } from "../../src/domain/filter/filter.ts";
import type { Filter, FilteredGoal } from "../../src/domain/filter/filter.ts";
import { dice } from "../support/random-graph.ts";

const GOAL: FilteredGoal = {
  state: "ACTIVE",
  name: "pack",
  intent: "make a release",
  charter: "release",
  labels: { team: "core", "a-b": "x" },
  attributes: {
    size: { kind: "number", value: 3 },
    urgent: { kind: "flag", value: true },
    owner: { kind: "text", value: "ann" },
    due: { kind: "time", value: Date.parse("2026-02-01T00:00:00Z") },
  },
  createdMs: Date.parse("2026-01-01T12:00:00Z"),
  finishedMs: null,
};

function filterOf(text: string): Filter {
  const parsed = parseFilter(text);
  if (!parsed.ok || parsed.value === null) throw new Error(parsed.ok ? "empty" : parsed.refusal.explanation);
  return parsed.value;
}

describe("filters", () => {
  it.each([
    ['state == "ACTIVE"', true],
    ['state in ["DRAFT", "REFINED"]', false],
    ['"pack" == name && charter != "other"', true],
    ['labels.team == "core"', true],
    ['labels["a-b"] != "x"', false],
    ['labels.gone == "x"', false],
    ['labels.gone != "x"', false],
    ['!(labels.gone == "x")', true],
    ['"team" in labels && !("gone" in labels)', true],
    ["has(labels.team) && has(attributes.size)", true],
    ["attributes.size >= 3 && 3 >= attributes.size && attributes.size < 3.5", true],
    ["attributes.size > -1", true],
    ['attributes.owner > 1 || attributes.size == "3"', false],
    ["attributes.urgent", true],
    ["!attributes.urgent || attributes.urgent == false", false],
    ['attributes.due < timestamp("2026-03-01T00:00:00+01:00")', true],
    ['created_at >= timestamp("2026-01-01T12:00:00Z") && created_at < timestamp("2026-01-01T12:00:00.001Z")', true],
    ["finished_at == null", true],
    ['finished_at != null || finished_at > timestamp("2020-01-01T00:00:00Z")', false],
    ['name.startsWith("pa") && intent.contains("release") && labels.team.contains("or")', true],
    ['attributes.size.startsWith("3")', false],
    ['attributes.owner in ["bob", "ann"]', true],
  ] as const)("%s is %s", (text, expected) => {
    expect(satisfies(GOAL, filterOf(text))).toBe(expected);
  });

  it("are null for an empty text", () => {
    expect(parseFilter("  ")).toEqual({ ok: true, value: null });
  });

  it("put chains side by side and keep time in milliseconds", () => {
    expect(filterOf('created_at > timestamp("2026-01-01T00:00:00.0019Z") && has(labels.a) && has(labels.b)')).toEqual({
      kind: "and",
      terms: [
        {
          kind: "compare",
          field: { kind: "createdAt" },
          operator: ">",
          value: { kind: "time", value: 1_767_225_600_001 },
        },
        { kind: "has", field: { kind: "label", name: "a" } },
        { kind: "has", field: { kind: "label", name: "b" } },
      ],
    });
  });

  it.each([
    ["state == 3", 9, "state is a text"],
    ['state == "RUNNING"', 9, '"RUNNING" is no state'],
    ['state in ["ACTIVE", "X"]', 20, '"X" is no state'],
    ['name < "b"', 7, "== and != only"],
    ["attributes.a < true", 15, "== and != only"],
    ['created_at < "2026-01-01"', 13, "created_at is a time"],
    ['created_at < timestamp("soon")', 13, "timestamp(…)"],
    ["size(name) > 3", 0, "size(…)"],
    ['name.matches("a")', 4, "matches(…)"],
    ["labels.exists(x, true)", 6, "macro"],
    ["name == intent", 5, "Two fields"],
    ['owner == "x"', 0, "owner is not a field"],
    ['labels.a.b == "x"', 8, "labels.a.b is not a field"],
    ["1 == 1", 2, "needs a field"],
    ["true", 0, "not a test"],
    ["name", 0, "not a test"],
    ["has(name)", 0, "has(…)"],
    ["name == null", 5, "never null"],
    ["finished_at < null", 12, "no order"],
    ["name in [null]", 9, "list"],
    ["attributes.n == 9007199254740993", 16, "cannot be compared with"],
    ['name == "a\\u0000"', 8, "cannot be compared with"],
    ['state == "ACTIVE" ? true : false', 0, "? :"],
    ["attributes.n + 1 == 2", 13, "operator +"],
    ['created_at.startsWith("2026")', 10, "no text"],
    ['name == "a" &&', 12, "not CEL"],
    [`${"(".repeat(65)}1${")".repeat(65)}`, 64, "nests deeper"],
    ["x".repeat(4_097), 4_096, "longer than"],
    [Array.from({ length: 101 }, () => 'name == "a"').join(" || "), 1_505, "at most 100 terms"],
  ])("outside of the subset: %s", (text, position, explanation) => {
    const parsed = parseFilter(text);
    expect(parsed.ok).toBe(false);
    if (parsed.ok) return;
    expect(parsed.refusal.reason).toBe("FILTER_UNSUPPORTED");
    expect(parsed.refusal.explanation).toContain(explanation);
    expect(parsed.refusal.metadata).toEqual({ position: String(position) });
  });

  it("nest 32 deep and no deeper", () => {
    const nested = (depth: number): string =>
      depth === 0 ? "attributes.x" : `(attributes.y ${depth % 2 === 0 ? "&&" : "||"} ${nested(depth - 1)})`;
    expect(parseFilter(nested(31)).ok).toBe(true);
    expect(parseFilter(nested(32)).ok).toBe(false);
  });

  it("refuse random texts or read them, and never throw", () => {
    const words = [
      "state",
      "name",
      "labels.a",
      "attributes.b",
      "==",
      "!=",
      "<",
      "&&",
      "||",
      "!",
      "(",
      ")",
      "in",
      "[",
      "]",
      '"ACTIVE"',
      "1",
      "null",
      "has(labels.x)",
      ".contains(",
      "timestamp(",
      ",",
      "-",
      "{",
      "}",
    ];
    for (let seed = 0; seed < 3_000; seed++) {
      const random = dice(seed);
      const text = Array.from({ length: 1 + random.below(9) }, () => random.pick(words)).join(" ");
      const parsed = parseFilter(text);
      if (parsed.ok && parsed.value !== null) expect(typeof satisfies(GOAL, parsed.value)).toBe("boolean");
      else if (!parsed.ok) expect(parsed.refusal.reason).toBe("FILTER_UNSUPPORTED");
    }
  });
});
