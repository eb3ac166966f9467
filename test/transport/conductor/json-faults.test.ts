// Where bodies are no JSON, and why; among them those that say something twice.
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { readJson } from "../../../src/transport/conductor/body.ts";
import { faultIn } from "../../../src/transport/conductor/json-faults.ts";
import { clientOf } from "./client.ts";

test.each([
  ['{"a":NaN}', 5, 'Expecting a value, not "NaN"'],
  ["[1,Infinity]", 3, 'Expecting a value, not "Infinity"'],
  ['{"a": .5}', 6, 'Expecting a value, not ".5"'],
  ['{"a": 01}', 6, 'Expecting a value, not "01"'],
  ["\ufeff{}", 0, "Unexpected byte order mark"],
  ['{"name": "x', 11, "Unexpected end"],
  ['{"name": "x"', 12, "Unexpected end"],
  ['{"name"', 7, "Unexpected end"],
  ["", 0, "Unexpected end"],
  ['{"a":1,}', 7, "Expecting a name in double quotes"],
  ["{'a':1}", 1, "Expecting a name in double quotes"],
  ["[1,]", 3, 'Expecting a value, not "]"'],
  ["[1 2]", 3, "Expecting ',' or ']'"],
  ['{"a":1 "b":2}', 7, "Expecting ',' or '}'"],
  ['{"a" 1}', 5, "Expecting ':'"],
  ["{} {}", 3, "Extra data"],
  ['"\n"', 1, "A control character in a text"],
  ['"\\x"', 1, "An escape that is none"],
  ['{"a":1,"b":2,"a":1}', 13, 'The name "a" is there twice'],
  ['{"a":1,"\\u0061":1}', 7, 'The name "a" is there twice'],
  ['{"m":{"x":[{"k":1,"k":2}]}}', 18, 'The name "k" is there twice'],
  ['{"__proto__":1,"__proto__":2}', 15, 'The name "__proto__" is there twice'],
])("%j is wrong at %i", (text, position, error) => {
  expect(faultIn(text)).toEqual({ position, error });
});

test.each([
  '{"a":{"a":[]},"b":[{"a":1},{"a":1}],"":null," ":-0.5e+3,"toString":"\\ud83d\\u0022\\\\"}',
  " [ true , false ,\t{ } , [ ]\r\n] ",
  "0",
  '"]}"',
  `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
])("what is JSON has no fault", (text) => {
  expect(faultIn(text)).toBeUndefined();
  expect(() => JSON.parse(text) as unknown).not.toThrow();
});

describe("a body", () => {
  test("that is no JSON, or says something twice, is refused with its place and why", async () => {
    const server = createServer((request, response) => {
      void readJson(request, false).then((body) => response.end(JSON.stringify(body)));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const ask = clientOf((server.address() as AddressInfo).port);
    for (const [text, position, error] of [
      ['{"metadata":{"a":1,"a":2}}', 19, 'The name "a" is there twice'],
      ['{"cost_estimate":NaN}', 17, 'Expecting a value, not "NaN"'],
      ["\ufeff{}", 0, "Unexpected byte order mark"],
    ])
      expect((await ask("POST", "/", String(text))).json).toMatchObject({
        ok: false,
        why: { errors: [{ loc: ["body", position], type: "json_invalid", ctx: { error } }] },
      });
    server.close();
  });
});
