// Five faults are planted, one at a time; each is found within fifty seeds, or the simulation sees less than it says. Three stand in
// for ports: the store, and the connections that commits go out on. Two are patches of the product's source, in a process of their own
// (patched.ts): the product has no branch for them, and nothing of ours is mocked. Not here: the product as it is, see seeds.test.ts.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Store } from "../../src/store/ports/store.ts";
import { servers } from "../support/store.ts";
import type { TestServer } from "../support/database.ts";
import { openGround } from "./ground.ts";
import type { OpenGround } from "./ground.ts";
import { firstFound } from "./patched.ts";
import type { Found, PATCHES } from "./patched.ts";
import { simulate } from "./simulation.ts";
import type { Fault } from "./simulation.ts";

/** What a batch would release stays held. */
const holdsOn = (store: Store): Store => ({
  ...store,
  batches: {
    run: (plans, decide, options) =>
      store.batches.run(
        plans,
        (slice, nowMs) => {
          const { held } = slice.plan.account;
          const verdict = decide(slice, nowMs);
          if (verdict.kind !== "changes") return verdict;
          const { plan } = verdict.changes;
          if (plan.account.held.tokens >= held.tokens) return verdict;
          const account = { ...plan.account, held: { ...plan.account.held, tokens: held.tokens } };
          return { ...verdict, changes: { ...verdict.changes, plan: { ...plan, account } } };
        },
        options,
      ),
  },
});

/** The scan that finds what no event told of finds nothing. */
const neverWakes = (store: Store): Store => ({
  ...store,
  platform: { ...store.platform, readySteps: async () => [] },
});

let server: TestServer;
let ground: OpenGround;
beforeAll(async () => {
  const [first] = servers();
  if (first === undefined) throw new Error("no server to simulate on");
  server = first;
  ground = await openGround(server);
});
afterAll(() => ground.end());

/** Where it was found before is looked first: all fifty seeds are there for whatever changes since. */
async function foundBehindPorts(fault: Fault, likely: number): Promise<string> {
  return told(await firstFound((seed) => simulate(ground, seed, fault), likely));
}

async function foundInPatched(fault: keyof typeof PATCHES, likely: number): Promise<string> {
  const script = fileURLToPath(new URL("patched.ts", import.meta.url));
  const args = ["--experimental-strip-types", "--disable-warning=ExperimentalWarning", script];
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [...args, fault, JSON.stringify(server), String(likely)]);
  return told(JSON.parse(stdout) as Found | null);
}

function told(found: Found | null): string {
  return found === null ? "nothing in fifty seeds" : `seed ${String(found.seed)}: ${found.violation}`;
}

describe("a planted fault is found:", { timeout: 600_000 }, () => {
  test("no fencing check", async () => {
    expect(await foundInPatched("no fencing check", 1)).toMatch(
      /only the live lease ends|was reported for it|set_aside|is not taken away|attempts_\d+_pkey/,
    );
  });

  test("acknowledgement before commit", async () => {
    expect(await foundBehindPorts({ commitsLate: true }, 1)).toMatch(/before it was durable|and is not there/);
  });

  test("hold not released", async () => {
    expect(await foundBehindPorts({ tamper: holdsOn }, 1)).toMatch(/held/);
  });

  test("lost wake-up", async () => {
    expect(await foundBehindPorts({ tamper: neverWakes }, 1)).toMatch(/got stuck/);
  });

  test("lease returned twice", async () => {
    expect(await foundInPatched("lease returned twice", 1)).toMatch(/a lease that is kept alive is not taken away/);
  });
});
