// Free objects in messages: what is refused of them, and that equal ones become equal. Not here: where they are taken.
import { expect, test } from "vitest";
import { orderObject } from "../../src/transport/free-objects.ts";

type Free = Parameters<typeof orderObject>[0];
const parsed = (text: string) => JSON.parse(text) as Free;

test("members are put in order, however deep, and whatever their names are", () => {
  const object = parsed('{"b":[{"d":1,"c":2}],"__proto__":{"z":1,"y":2},"a":null,"constructor":"x"}');
  expect(orderObject(object)).toBeUndefined();
  expect(JSON.stringify(object)).toBe('{"__proto__":{"y":2,"z":1},"a":null,"b":[{"c":2,"d":1}],"constructor":"x"}');
  expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
});

test.each([
  ["NUL in a text", '{"a":["\\u0000"]}', "NUL"],
  ["NUL in a name", '{"\\u0000":1}', "NUL"],
  ["half a character", '{"a":"\\ud800"}', "Unicode"],
  ["a number that loses digits", '{"a":{"b":9007199254740992}}', "2^53"],
  ["a number without end", '{"a":1e400}', "2^53"],
  ["nesting", `{"a":${"[".repeat(64)}${"]".repeat(64)}}`, "nested"],
])("%s is refused", (_what, text, words) => {
  expect(orderObject(parsed(text))).toContain(words);
});

test("what is as deep as may be is taken", () => {
  expect(orderObject(parsed(`{"a":${"[".repeat(63)}${"]".repeat(63)}}`))).toBeUndefined();
});
