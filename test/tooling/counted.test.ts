// Numbers with their nouns, and what the contract's library says of rules.
import { expect, test } from "vitest";
import { counted, ruleInWords } from "../../src/support/counted.ts";

test("one of something is not several", () => {
  expect([counted(0, "step"), counted(1, "step"), counted(2, "step"), counted(2, "entry", "entries")]).toEqual([
    "0 steps",
    "1 step",
    "2 steps",
    "2 entries",
  ]);
});

test("rules are told as people would", () => {
  expect(
    [
      "must be at least 1 characters",
      "must be at most 1 bytes",
      "must contain at least 1 item(s)",
      "must be at least 11 characters",
      "must be greater than or equal to 1",
      "must not be in list [0]",
      "does not match regex pattern `^$|^[A-Za-z0-9][A-Za-z0-9._+-]*:.+$`",
    ].map(ruleInWords),
  ).toEqual([
    "must not be empty",
    "must be at most 1 byte",
    "must contain at least 1 item",
    "must be at least 11 characters",
    "must be greater than or equal to 1",
    "must be given",
    "must be algorithm:text, such as sha256:9f86d0…, or empty",
  ]);
});
