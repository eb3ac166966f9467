// Real kills of server, Postgres and executors under load, most of them inside a commit. Afterwards every plan completes, and a
// program of its own finds nothing lost and nothing doubled. In CI 51 kills, otherwise three. Not here: outages that end well, see
// outage.test.ts.
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { dice } from "../support/random-graph.ts";
import { Arena } from "./arena.ts";
import { IN_FLIGHT, Killing, planKills } from "./killing.ts";
import type { Kill, Moment } from "./killing.ts";

const ROUNDS = process.env["CI"] === undefined || process.env["CI"] === "" ? 1 : 17;
const SEED = Number(process.env["MAESTRO_SEED"] ?? randomInt(1_000_000));
/** What Postgres says of the transaction whose commit was open. */
const FATES: Readonly<Partial<Record<Moment, string>>> = {
  "before a commit": "aborted",
  "within a commit": "committed",
  "after a commit": "committed",
};

test(
  `${3 * ROUNDS} kills with steps in flight lose nothing acknowledged and double nothing`,
  { timeout: 60_000 + ROUNDS * 30_000 },
  async () => {
    const arena = await Arena.open();
    const luck = dice(SEED);
    const killing = new Killing(arena, luck);
    let failed = true;
    try {
      const submitter = await arena.startLoad("submitter");
      await submitter.ask("fill", { plans: 30, at: 4 });
      await submitter.ask("feed", { at: 3 });
      await killing.start();
      for (const planned of planKills(ROUNDS, luck)) await killing.kill(planned);
      await killing.busy();
      await submitter.ask("hush");
      await arena.allCompleted(40_000);
      const judged = await arena.judge();
      expect(judged).toMatchObject({ lost: [], doubled: [], audit: [] });
      expect(judged.receipts).toBeGreaterThan(300 * ROUNDS);
      expect(Object.keys(judged.plans)).toEqual(["COMPLETED"]);
      expectProven(killing.done);
      failed = false;
    } finally {
      if (failed) console.error(account(killing.done, arena));
      await arena.close({ keep: failed });
    }
  },
);

/** Each with enough in flight, a third of each, and more than a third inside a commit that took outcomes, as it was meant to be. */
function expectProven(kills: readonly Kill[]): void {
  expect(kills).toHaveLength(3 * ROUNDS);
  for (const victim of ["server", "Postgres", "executor"])
    expect(kills.filter((kill) => kill.victim === victim)).toHaveLength(ROUNDS);
  expect(Math.min(...kills.map(({ inFlight }) => inFlight))).toBeGreaterThanOrEqual(IN_FLIGHT);
  const open = kills.filter(({ moment }) => moment !== "at large");
  expect(open.length).toBeGreaterThanOrEqual(kills.length / 3);
  for (const { moment, taken = 0, fate, settled } of open) {
    expect(taken).toBeGreaterThan(0);
    expect(fate).toBe(FATES[moment]);
    // What the gate read is what the transaction did.
    expect(settled).toBe(fate === "committed" ? taken : 0);
  }
}

function account(kills: readonly Kill[], arena: Arena): string {
  return [
    `Seed ${SEED}: the same kills in the same order with MAESTRO_SEED=${SEED}. Journals and the server's log are in ${arena.folder}.`,
    ...kills.map((kill) => JSON.stringify(kill)),
    ...arena.serverLog().split("\n").slice(-40),
  ].join("\n");
}
