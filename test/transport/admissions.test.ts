// Counting refusals: whom they are counted against when no caller is known.
import { expect, test } from "vitest";
import { addressPrefix } from "../../src/engine/admissions.ts";
import { isLoopback } from "../../src/engine/identify.ts";

test("an address counts with its neighbours: whoever has one has them all", () => {
  expect(addressPrefix("203.0.113.9")).toBe("203.0.113.0/24");
  expect(addressPrefix("::ffff:203.0.113.9")).toBe("203.0.113.0/24");
  expect(addressPrefix("2001:db8:1:2::5")).toBe("2001:db8:1::/48");
  expect(addressPrefix("::1")).toBe("0:0:0::/48");
  expect(addressPrefix("")).toBe("unknown");
});

test("loopback is 127.0.0.0/8 and ::1, however it is written, and nothing that looks like it", () => {
  for (const address of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    expect(isLoopback(address), address).toBe(true);
  for (const address of ["", "128.0.0.1", "1127.0.0.1", "::2", "::ffff:10.0.0.1", "fe80::1"])
    expect(isLoopback(address), address).toBe(false);
});
