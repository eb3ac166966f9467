// Page tokens: opaque, bound to their list, and useless when tampered with.
import { describe, expect, test } from "vitest";
import { createPageTokens } from "../../src/transport/page-token.ts";

describe("page tokens", () => {
  const tokens = createPageTokens("installation");
  const scope = ["GoalService", "filter a", "name"];

  test("a token gives back the sort key it was made of", () => {
    expect(tokens.read(scope, tokens.write(scope, ["name", 42, null]))).toEqual(["name", 42, null]);
  });

  test("the end of a list has no token", () => {
    expect(tokens.write(scope, null)).toBe("");
  });

  test("a token of another filter is refused", () => {
    expect(tokens.read(["GoalService", "filter b", "name"], tokens.write(scope, ["x"]))).toBeUndefined();
  });

  test("a token of another installation is refused", () => {
    expect(createPageTokens("another").read(scope, tokens.write(scope, ["x"]))).toBeUndefined();
  });

  test("a token is refused when any character of it is changed", () => {
    const token = tokens.write(scope, ["some key", 7]);
    for (let i = 0; i < token.length; i++) {
      const other = token[i] === "A" ? "B" : "A";
      expect(tokens.read(scope, token.slice(0, i) + other + token.slice(i + 1)), `character ${i}`).toBeUndefined();
    }
  });

  test("text that was never a token is refused", () => {
    for (const text of ["", "x", "%%%", "a".repeat(1024)]) expect(tokens.read(scope, text)).toBeUndefined();
  });
});
