// Ids on the wire: TypeIDs and back, against the published test vectors' shape.
import { describe, expect, it } from "vitest";
import { systemRandom } from "../../src/support/random.ts";
import { typeidOf, uuidOf, uuidv7 } from "../../src/support/typeid.ts";

describe("TypeIDs", () => {
  it("writes the vectors of the specification", () => {
    expect(typeidOf("prefix", "0188bac7-4afa-78aa-bc3b-bd1eef28d881")).toBe("prefix_01h2xcejqtf2nbrexx3vqjhp41");
    expect(typeidOf("a", "ffffffff-ffff-ffff-ffff-ffffffffffff")).toBe("a_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    expect(typeidOf("a", "00000000-0000-0000-0000-000000000000")).toBe("a_00000000000000000000000000");
  });

  it("reads back what it writes", () => {
    const random = systemRandom();
    for (let i = 0; i < 2_000; i++) {
      const uuid = uuidv7(1_700_000_000_000 + i * 7_919, random.bytes(10));
      expect(uuidOf(typeidOf("plan", uuid), "plan")).toBe(uuid);
    }
  });

  it("refuses what is none: another prefix, length, letter, or too large a number", () => {
    const good = typeidOf("plan", "0188bac7-4afa-78aa-bc3b-bd1eef28d881");
    expect(uuidOf(good, "goal")).toBeUndefined();
    expect(uuidOf(good.slice(0, -1), "plan")).toBeUndefined();
    expect(uuidOf(good.toUpperCase(), "plan")).toBeUndefined();
    expect(uuidOf(`plan_8${good.slice(6)}`, "plan")).toBeUndefined();
    expect(uuidOf(`plan_${"u".repeat(26)}`, "plan")).toBeUndefined();
    expect(uuidOf("", "plan")).toBeUndefined();
  });

  it("makes versions 7 that sort by time", () => {
    const random = systemRandom();
    const a = uuidv7(1_000, random.bytes(10));
    const b = uuidv7(1_001, random.bytes(10));
    expect(a < b).toBe(true);
    expect(a[14]).toBe("7");
    expect("89ab").toContain(a[19]);
  });

  it("draws fractions from 0 to 1", () => {
    const random = systemRandom();
    const drawn = Array.from({ length: 10_000 }, () => random.fraction());
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...drawn)).toBeLessThan(1);
    expect(drawn.reduce((a, b) => a + b, 0) / drawn.length).toBeGreaterThan(0.48);
  });
});
