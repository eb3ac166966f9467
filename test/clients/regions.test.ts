// The executors of all languages mark the same regions, so that a document can show them side by side.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { regionsOf } from "../../scripts/docs/regions.ts";

const FOLDERS = { python: "python", go: "go", java: "java/src/main/java/executor" };
const HERE = fileURLToPath(new URL(".", import.meta.url));
const NAMES = ["attempt", "drain", "handlers", "hello", "perform", "receive", "send", "stream"];

test.each(Object.entries(FOLDERS))("the executor in %s has every region once, with something in it", (_, folder) => {
  const sources = readdirSync(join(HERE, folder)).filter((name) => /\.(py|go|java)$/.test(name));
  const regions = sources.flatMap((name) => regionsOf(readFileSync(join(HERE, folder, name), "utf8")));
  expect(regions.map(({ name }) => name).sort()).toEqual(NAMES);
  expect(regions.filter(({ text }) => text.split("\n").length < 3)).toEqual([]);
});

test("a region loses the indentation that its lines share", () => {
  const source = "a\n  # region x\n  b\n\n    c\n  # endregion x\nd";
  expect(regionsOf(source)).toEqual([{ name: "x", text: "b\n\n  c" }]);
});

test.each(["# region x\n", "# endregion x\n", "// region x\n// region y\n// endregion y\n// endregion x\n"])(
  "regions that do not pair are refused: %j",
  (source) => {
    expect(() => regionsOf(source)).toThrow(/region/);
  },
);
