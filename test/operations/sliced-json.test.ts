// Values cut into slices and put together again.
import { expect, test } from "vitest";
import { join, slice } from "../../src/support/sliced-json.ts";

test.each([
  ["plain values", { a: 1, b: "x", c: null, d: true, e: undefined }],
  ["lists longer than a slice", { list: Array.from({ length: 1_201 }, (_, i) => ({ i })), empty: [] }],
  ["maps and sets", { map: new Map([["a", { b: [1] }]]), set: new Set(["x", "y"]), none: new Map() }],
  ["objects in objects", { ok: true, value: { deep: { list: [[1], [2]] } } }],
  ["nothing", undefined],
])("%s come back as they were", async (_what, value) => {
  expect(await join(structuredClone(await slice(value)))).toEqual(value);
});
