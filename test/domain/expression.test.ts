// Expressions: what they refer to, what they come to, and that they stay within bounds.
import { describe, expect, it } from "vitest";
import { evaluate, evaluateCondition, resolveInput } from "../../src/domain/expression/evaluate.ts";
import type { ExpressionContext } from "../../src/domain/expression/evaluate.ts";
import { Recent } from "../../src/domain/expression/recent.ts";
import { checkExpression, references, referencedSteps } from "../../src/domain/expression/references.ts";
import { parseTemplate } from "../../src/domain/expression/template.ts";

function contextOf(outputs: Readonly<Record<string, unknown>>): ExpressionContext {
  const steps = new Map(
    Object.entries(outputs).map(([key, value]) => [
      key,
      {
        state: value === undefined ? "FAILED" : "SUCCEEDED",
        outputs: value === undefined ? null : JSON.stringify(value),
      },
    ]),
  );
  return {
    steps,
    goal: { name: "pack", inputs: '{"ref":"main","n":3}', labels: { team: "core" } },
    charter: { name: "release" },
  };
}

const CONTEXT = contextOf({
  build: {
    tarball: "x.tgz",
    size: 10,
    ratio: 1.5,
    whole: 2.0,
    none: null,
    list: [1, 2, 3],
    deep: { "a-b": [{ c: true }] },
    ["__proto__"]: 1,
  },
  "my-step": { ok: true },
  lost: undefined,
});
const value = (text: string, context = CONTEXT): unknown => {
  const answer = evaluate(text, context);
  return answer.ok ? answer.value : `! ${answer.message}`;
};

describe("templates", () => {
  it("find the end of expressions beyond braces and quotes", () => {
    const segments = (text: string): unknown => {
      const template = parseTemplate(text);
      return template.ok
        ? template.segments.map((segment) => (segment.kind === "text" ? segment.text : [segment.text]))
        : template.problem;
    };
    expect(segments("a ${{ b }} c${{d}}")).toEqual(["a ", ["b"], " c", ["d"]]);
    expect(segments('${{ {"a":{"b":1}} }}!')).toEqual([['{"a":{"b":1}}'], "!"]);
    expect(segments('${{ "}}" + \'\\\'}}\' + r"\\" + """a"}}""" }}')).toEqual([
      ['"}}" + \'\\\'}}\' + r"\\" + """a"}}"""'],
    ]);
    expect(segments("$${{ x }} and ${{ y }}")).toEqual(["${{ x }} and ", ["y"]]);
    expect(segments("no { } here")).toEqual(["no { } here"]);
    expect(segments("")).toEqual([]);
    expect(segments("a ${{ b")).toContain("without its `}}` (character 2)");
    expect(segments('${{ "}} ')).toContain("without its");
  });
});

describe("references", () => {
  it.each([
    ["steps.build.outputs.x", { build: true }],
    ['steps["my-step"].outputs["a b"] + steps.c.outputs', { "my-step": true, c: true }],
    ['steps.a.state == "FAILED" && steps.b.outputs.l.exists(x, x > steps.c.outputs.n)', { a: false, b: true, c: true }],
    ["has(steps.a.outputs.x) ? steps.a.outputs.x : steps.a.state", { a: true }],
    ["[steps.a.state].map(s, s + steps.b.state)", { a: false, b: false }],
    ["steps.a.outputs[goal.name]", { a: true }],
  ])("of %s", (text, steps) => {
    expect(references(text).problems).toEqual([]);
    expect(Object.fromEntries(references(text).steps)).toEqual(steps);
  });

  it.each([
    ["steps", "without a key"],
    ["steps[goal.name].outputs", "without a key"],
    ["steps.a.output", "asks for output of step a"],
    ["steps.my-step.outputs", "step"],
    ["env.HOME", "env"],
    ["goal", "as a whole"],
    ["goal.owner", "goal.owner"],
    ["now()", "now"],
    ["[1].map(steps, 1)", "another meaning"],
    ["google.protobuf.Duration{}", "only maps and lists"],
    ["1 +", "not CEL: unexpected"],
    ["", "empty"],
    ["@round()", "not CEL"],
    ["a".repeat(5_000), "longer than 4096"],
    ["(".repeat(200) + "1" + ")".repeat(200), "nests deeper"],
  ])("names what is wrong with %s", (text, problem) => {
    expect(references(text).problems.join("; ")).toContain(problem);
  });

  it("checks against the steps that are there, and lists those of an input", () => {
    expect(checkExpression("steps.a.outputs == steps.b.outputs", new Set(["a"]))).toEqual([
      "refers to step b, which is not in the graph",
    ]);
    expect(
      referencedSteps(["steps.a.state == ''"], '{"x":["${{ steps.b.outputs }}"],"y":"\\u0024{{ steps.c.outputs }}"}'),
    ).toEqual(["a", "b", "c"]);
    expect(referencedSteps([], "")).toEqual([]);
  });
});

describe("evaluation", () => {
  it.each([
    ["steps.build.outputs.tarball", "x.tgz"],
    ["steps.build.outputs.size + 1", 11],
    ["steps.build.outputs.size * 1.5", 15],
    ["steps.build.outputs.ratio * 2", 3],
    ["steps.build.outputs.list[1]", 2],
    ['steps.build.outputs.deep["a-b"][0].c', true],
    ["steps.build.outputs.list.map(x, x * 2)", [2, 4, 6]],
    ["steps.build.outputs.list.filter(x, x > 1).size()", 2],
    ['{"a": steps.build.outputs.deep, "b": [null, 1.5]}', { a: { "a-b": [{ c: true }] }, b: [null, 1.5] }],
    ["has(steps.build.outputs.gone)", false],
    ["steps.lost.outputs", null],
    ["steps.lost.outputs == null", true],
    ["steps.lost.state", "FAILED"],
    ['steps["my-step"].outputs.ok ? goal.labels.team : charter.name', "core"],
    ["goal.inputs.n - 1 == 2 && goal.inputs.ref.startsWith('ma')", true],
    ["string(steps.build.outputs.size) + goal.name", "10pack"],
    ["string(timestamp('2026-01-01T00:00:00Z'))", "2026-01-01T00:00:00Z"],
    ["steps.build.outputs.__proto__", 1],
  ])("%s", (text, expected) => {
    expect(value(text)).toEqual(expected);
  });

  it.each([
    ["steps.build.outputs.gone", "${{ steps.build.outputs.gone }} cannot be evaluated: there is no gone"],
    ["steps.build.outputs.toString", "there is no toString"],
    ["steps.lost.outputs.x", "there is no x in null"],
    ["steps.unknown.outputs", "step unknown has no result"],
    ["steps.build.outputs.tarball + 1", "cannot be evaluated: found no matching overload"],
    ["1 / 0", "divide by zero"],
    ["9007199254740993", "beyond ±(2^53 − 1)"],
    ["0.0 / 0.0", "NaN"],
    ["{1: 2}", "not texts"],
    ["b'x'", "no JSON form"],
    ["timestamp('2026-01-01T00:00:00Z')", "no JSON form"],
    ["1 +", "not CEL"],
  ])("of %s fails and says why", (text, message) => {
    expect(value(text)).toContain("! ");
    expect(value(text)).toContain(message);
  });

  it("takes only true and false for conditions", () => {
    expect(evaluateCondition('steps.build.state == "SUCCEEDED"', CONTEXT)).toEqual({ ok: true, value: true });
    expect(evaluateCondition("steps.build.outputs.size", CONTEXT)).toMatchObject({
      ok: false,
      message: expect.stringContaining("neither true nor false") as string,
    });
  });

  it("is bounded: rounds of comprehensions, size of results, backtracking, long lists", () => {
    const long = contextOf({ a: { list: Array.from({ length: 9_000 }, (_, n) => n), text: "a".repeat(200_000) } });
    expect(value("steps.a.outputs.list.map(x, x + 1).size()", long)).toBe(9_000);
    expect((value("steps.a.outputs.list.filter(x, x > 0)", long) as unknown[]).length).toBe(8_999);
    expect(value("steps.a.outputs.list.map(x, steps.a.outputs.list.map(y, y))", long)).toContain(
      "more than 10000 rounds",
    );
    expect(value("[1,2,3].map(x, x)", long)).toEqual([1, 2, 3]);
    expect(value("steps.a.outputs.text + steps.a.outputs.text", long)).toContain("larger than 256 KiB");
    expect(value("(steps.a.outputs.text + 'b').matches('^(a+)+$')", long)).toBe(false);
    expect(value("[[1, 2], [3]].map(x, x.map(y, y + 1))")).toEqual([[2, 3], [4]]);
  });
});

describe("resolved inputs", () => {
  const resolved = (input: unknown, context = CONTEXT): unknown => {
    const answer = resolveInput(JSON.stringify(input), context);
    return answer.ok ? (JSON.parse(answer.text) as unknown) : answer.message;
  };

  it("keep the type of a value that stands alone, and write others into their text", () => {
    expect(
      resolved({
        a: "${{ steps.build.outputs.list }}",
        b: [
          " ${{ steps.build.outputs.size }}",
          "v${{ goal.inputs.ref }}-${{ steps.build.outputs.deep }}-${{ steps.lost.outputs }}",
        ],
        c: "$${{ kept }}",
        d: 1,
      }),
    ).toEqual({ a: [1, 2, 3], b: [" 10", 'vmain-{"a-b":[{"c":true}]}-null'], c: "${{ kept }}", d: 1 });
  });

  it("are the same text when they hold no expression", () => {
    expect(resolveInput('{ "a" : 1.0 }', CONTEXT)).toEqual({ ok: true, text: '{ "a" : 1.0 }' });
  });

  it("fail with the name of the expression", () => {
    expect(resolved({ a: "x ${{ steps.build.outputs.gone }}" })).toBe(
      "${{ steps.build.outputs.gone }} cannot be evaluated: there is no gone",
    );
  });

  it("are bounded in size and nesting", () => {
    const big = contextOf({ a: { text: "x".repeat(250_000) } });
    expect(
      resolved(
        Array.from({ length: 10 }, () => "${{ steps.a.outputs.text }}"),
        big,
      ),
    ).toContain("larger than 1 MiB");
    const deep = contextOf({ a: JSON.parse("[".repeat(60) + "]".repeat(60)) as unknown });
    expect(resolved([[[["${{ steps.a.outputs }}"]]]], deep)).toHaveLength(1);
    expect(resolved([[[[["${{ steps.a.outputs }}"]]]]], deep)).toContain("deeper than 64");
  });
});

describe("what was used recently", () => {
  it("is kept, and what was not makes room", () => {
    const made: string[] = [];
    const recent = new Recent<string>(2);
    for (const text of ["a", "b", "a", "c", "a", "b"]) recent.get(text, (key) => (made.push(key), key));
    expect(made).toEqual(["a", "b", "c", "b"]);
  });
});
