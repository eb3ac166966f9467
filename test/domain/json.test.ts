// JSON in and out: what is refused, and that what is let in is what JSON.parse says.
import { describe, expect, it } from "vitest";
import { canonicalText, digestOf, digestOfText, sha256Hex } from "../../src/domain/canonical.ts";
import { parseJson } from "../../src/domain/json.ts";
import { dice } from "../support/random-graph.ts";
import type { Dice } from "../support/random-graph.ts";

const problem = (text: string): string => {
  const parsed = parseJson(text);
  return parsed.ok ? "" : parsed.problem;
};

/** A random JSON text that keeps the rules; names repeat across objects, and texts hold everything that looks like syntax. */
function randomText(random: Dice, depth: number): string {
  const space = random.chance(0.2) ? " \n" : "";
  switch (depth > 5 ? random.below(3) : random.below(5)) {
    case 0:
      return String(random.pick([0, -0, 1.5, -12, 9007199254740991, 1e-7, 123456789.25]));
    case 1:
      return JSON.stringify(random.pick(["", 'a"b', "a\\", "{[:", "}]", "é😀", '\\"', "\u0001", "x: 1"]));
    case 2:
      return random.pick(["true", "false", "null", '"\\u00e9"', '"\\ud83d\\ude00"', '"\\\\u0000"']);
    case 3:
      return `[${Array.from({ length: random.below(4) }, () => space + randomText(random, depth + 1)).join(",")}${space}]`;
    default: {
      const names = [
        ...new Set(
          Array.from({ length: random.below(4) }, () =>
            random.pick(["a", "b", "__proto__", "constructor", 'q"', ":", "10", ""]),
          ),
        ),
      ];
      return `{${names.map((name) => `${space}${JSON.stringify(name)}${space}:${randomText(random, depth + 1)}`).join(",")}${space}}`;
    }
  }
}

describe("parseJson", () => {
  it("says what JSON.parse says of 2,000 texts that keep the rules", () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const text = randomText(dice(seed), 0);
      expect([text, parseJson(text)]).toEqual([text, { ok: true, value: JSON.parse(text) as unknown }]);
    }
  });

  it.each([
    ["9007199254740993", "The number is beyond"],
    ['{"a":[0,9007199254740992]}', "The number at a[1] is beyond"],
    ["-9007199254740993", "is beyond"],
    ["1e400", "is beyond"],
    ['{"x-y":1e300}', 'The number at ["x-y"] is beyond'],
    ['"a\\u0000b"', "NUL"],
    ['{"a\\u0000":1}', "NUL"],
    ['"\\ud800"', "surrogate"],
    ['{"\\udc00":1}', "surrogate"],
    ['"\ud800"', "surrogate"],
    ['{"a":1,"a":2}', 'The name "a" is given twice'],
    ['{"a":1,"\\u0061":2}', 'The name "a" is given twice'],
    ['{"x":{"b":{"a":1},"b":{}}}', 'The name "b" is given twice'],
    ['[{"__proto__":1,"__proto__":1}]', "__proto__"],
    ["", "not JSON"],
    ["{", "not JSON"],
    ["[1,]", "not JSON"],
    ["'a'", "not JSON"],
    ['{"a":1}}', "not JSON"],
    ['"a\0"', "not JSON"],
    ["NaN", "not JSON"],
    ['"abc', "not JSON"],
  ])("refuses %j", (text, reason) => {
    expect(problem(text)).toContain(reason);
  });

  it("lets in 64 levels and no more, and a megabyte of brackets does not overflow the stack", () => {
    expect(parseJson("[".repeat(64) + "]".repeat(64)).ok).toBe(true);
    for (const text of [
      "[".repeat(65) + "]".repeat(65),
      "[".repeat(1_000_000),
      '{"a":'.repeat(200_000),
      "[".repeat(500_000) + "]".repeat(500_000),
    ]) {
      expect(problem(text)).toContain("deeper than 64");
    }
  });

  it("keeps members named like those that objects inherit", () => {
    const parsed = parseJson('{"__proto__":{"x":1},"toString":2}');
    expect(parsed.ok && Object.keys(parsed.value as object)).toEqual(["__proto__", "toString"]);
  });
});

describe("canonical text", () => {
  it("sorts names by UTF-16, writes numbers shortest, and is the same for the same value", () => {
    expect(canonicalText({ b: 1.0, a: [1e21, -0, "\u20ac"], "10": true, "9": null })).toBe(
      '{"10":true,"9":null,"a":[1e+21,0,"€"],"b":1}',
    );
    expect(digestOf({ a: 1, b: 2 })).toBe(digestOf({ b: 2, a: 1 }));
    expect(() => canonicalText(undefined)).toThrow();
  });

  it("digests the UTF-8 of its text", () => {
    expect(sha256Hex("é")).toBe("4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c");
    expect(digestOfText("{}")).toBe("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    expect(digestOf({})).toBe(digestOfText("{}"));
  });
});
