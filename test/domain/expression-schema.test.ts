// JSON Schemas from outside: which may be used, what conforms, and that none can hold the thread or reach out.
import { describe, expect, it } from "vitest";
import { conforms, validateSchema } from "../../src/domain/expression/schema.ts";

const check = (schema: unknown): string => {
  const checked = validateSchema(typeof schema === "string" ? schema : JSON.stringify(schema));
  return checked.ok ? "" : checked.message;
};
const against = (schema: unknown, value: unknown): string => {
  const checked = conforms(JSON.stringify(schema), JSON.stringify(value));
  return checked.ok ? "" : checked.message;
};

describe("schemas", () => {
  it.each([
    ["{", "not JSON"],
    ["3", "an object, true or false"],
    ['{"type":"objct"}', "type"],
    ['{"$ref":"https://example.org/x"}', "only references within the schema"],
    ['{"properties":{"a":{"$ref":"other.json#/x"}}}', "properties.a refers to other.json"],
    ['{"$ref":"#/$defs/gone"}', "can't resolve"],
    ['{"properties":{"a":{"$id":"https://example.org/x"}}}', "$id of its own"],
    ['{"$schema":"http://json-schema.org/draft-07/schema#"}', "is not of https://json-schema.org/draft/2020-12"],
    ['{"pattern":"(?=a)b"}', "RE2"],
    ['{"pattern":"("}', "pattern"],
    [JSON.stringify({ pattern: "a".repeat(600) }), "longer than 512"],
    ['{"maestroFollowed":true}', "not a keyword"],
    ['{"properties":{"a":1,"a":2}}', "given twice"],
  ])("refuses %s", (schema, reason) => {
    expect(check(schema)).toContain(reason);
  });

  it("lets in what 2020-12 has", () => {
    for (const schema of [
      true,
      {},
      {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        $id: "https://example.org/a",
        prefixItems: [{ type: "string" }],
      },
      { properties: { $ref: { type: "string" } }, enum: [{ $ref: "x" }], "x-note": 1 },
    ]) {
      expect(check(schema)).toBe("");
    }
  });

  it("say which part of a value is wrong", () => {
    const schema = {
      type: "object",
      required: ["a"],
      properties: { a: { type: "array", items: { type: "integer", minimum: 1 } } },
      additionalProperties: false,
    };
    expect(against(schema, { a: [1] })).toBe("");
    expect(against(schema, { a: [1, 0] })).toBe("a[1] must be >= 1");
    expect(against(schema, {})).toBe("the value must have required property 'a'");
    expect(against(schema, { a: [], b: 1 })).toBe('the value must NOT have additional properties ("b")');
    expect(against(schema, null)).toBe("the value must be object");
    expect(against({ format: "date-time" }, "yesterday")).toContain("date-time");
    expect(
      against({ uniqueItems: true }, [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ]),
    ).toContain("twice");
    expect(against({ patternProperties: { "^x": { type: "number" } } }, { x1: "a" })).toBe("x1 must be number");
    expect(against({ pattern: '^a"\\n\\d+$' }, 'a"\n12')).toBe("");
  });

  it("are told apart by their patterns, however many there are", () => {
    for (let n = 0; n < 450; n++)
      expect([n, against({ pattern: `^x${n}$` }, `x${n}`), against({ pattern: `^x${n}$` }, "y") === ""]).toEqual([
        n,
        "",
        false,
      ]);
  });

  it("may refer to themselves", () => {
    const tree = {
      $defs: { node: { type: "object", properties: { child: { $ref: "#/$defs/node" } } } },
      $ref: "#/$defs/node",
    };
    expect(against(tree, { child: { child: {} } })).toBe("");
    expect(against(tree, { child: { child: 1 } })).toBe("child.child must be object");
    expect(against({ properties: { child: { $ref: "#" } }, type: "object" }, { child: 1 })).toBe(
      "child must be object",
    );
  });

  it("cannot hold the thread", () => {
    const fan = (n: number): unknown => ({
      $ref: "#/$defs/d0",
      $defs: Object.fromEntries(
        Array.from({ length: n + 1 }, (_, i) => [
          `d${i}`,
          i === n ? { type: "string" } : { anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
        ]),
      ),
    });
    expect(against(fan(40), 1)).toContain("takes too long");
    expect(against({ pattern: "^(a+)+$" }, `${"a".repeat(50_000)}b`)).toContain("pattern");
    expect(
      against(
        { uniqueItems: true },
        Array.from({ length: 20_000 }, (_, n) => [n]),
      ),
    ).toBe("");
    expect(conforms('{"$defs":{"a":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}', "1").ok).toBe(false);
  });
});
