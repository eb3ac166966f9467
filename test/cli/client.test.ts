// Commands before a server has said anything: keys that cannot be one, and servers that are mute. Not here: what servers answer.
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { patienceOf, usualMs } from "../../src/cli/client.ts";
import { RUN_MS } from "../../src/neighbours/evidence/limits.ts";
import { here } from "./command.ts";

const sockets = new Set<Socket>();
const mute = createServer((socket) => void sockets.add(socket.on("error", () => undefined)));
let url = "";
beforeAll(async () => {
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
});
afterAll(() => {
  mute.close();
  for (const socket of sockets) socket.destroy();
});

test.each([
  ["a line break in its midst", "mk_secret-guess\nmk_other"],
  ["a carriage return", "mk_secret-guess\rmk_other"],
  ["letters of no key", "mk_secret-guess-é"],
])("a key with %s is refused without being repeated, before anybody is asked", async (_what, key) => {
  const before = sockets.size;
  const { code, out, err } = await here(["goals"], { MAESTRO_URL: url, MAESTRO_API_KEY: key });
  expect([code, out]).toEqual([2, ""]);
  expect(err).toMatch(/^maestro: the API key holds what no key holds.*MAESTRO_API_KEY\n$/);
  expect(err).not.toMatch(/secret-guess|Bearer/);
  expect(sockets.size).toBe(before);
});

test.each([["goals"], ["watch", "plan_01jd0000000000000000000000", "--json"]])(
  "%s of a server that takes the connection and says nothing ends in time, and says which server",
  async (...args) => {
    const { code, err } = await here(["--timeout", "300ms", "--server", url, ...args], {
      MAESTRO_API_KEY: "mk_with-a-line-end\n",
    });
    expect(code).toBe(3);
    expect(err).toContain(`no server answers at ${url}: it has not answered within 300 ms (--timeout)`);
  },
);

test("what judges evidence is waited for longer than a server takes to read it, and to wait for its turn", () => {
  for (const method of ["CheckReleaseGate", "GetManifest", "ExportDisclosurePack"])
    expect(usualMs(method)).toBeGreaterThan(2 * RUN_MS);
  expect(usualMs("ListGoals")).toBe(60_000);
  expect([patienceOf(undefined), patienceOf("5s")]).toEqual([undefined, 5_000]);
});

test("a time that is none is said to be none", async () => {
  const { code, err } = await here(["--timeout", "soon", "--server", url, "goals"]);
  expect([code, err]).toEqual([2, "maestro: --timeout soon: must be a duration up to 1d, such as 5s or 2m\n"]);
});
