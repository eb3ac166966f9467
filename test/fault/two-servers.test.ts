// Two server processes on one database, of which one is killed with some of its executors. Not here: two dispatchers in one process,
// see test/dispatch; what survives many kills, see kills.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { readJournal, readJournals } from "../support/load/journal.ts";
import type { Entry } from "../support/load/journal.ts";
import { Arena, until } from "./arena.ts";

/** A server's death is known when its session has lapsed, 8 s after it was last renewed. */
const RETURN_MS = 10_000;
const DOOMED = 40;
const LONG = 5;

let arena: Arena;
beforeAll(async () => {
  arena = await Arena.open();
});
afterAll(async () => {
  await arena.close();
});

const attemptOf = ({ p, o, f }: Entry): string => `${p}/${o ?? 0}/${f ?? 0}`;

/** Steps that were worked on twice at once: an attempt lasts from its arrival to the outcome, the loss or the kill. */
function overlaps(entries: readonly Entry[], isDoomed: (executor: string) => boolean, killedMs: number): string[] {
  const ends = new Map<string, number>();
  for (const entry of entries)
    if (entry.k === "o" || entry.k === "l") ends.set(attemptOf(entry), ends.get(attemptOf(entry)) ?? entry.t);
  const running = new Map<string, { readonly from: number; readonly to: number; readonly name: string }[]>();
  for (const entry of entries) {
    if (entry.k !== "a") continue;
    const name = attemptOf(entry);
    const end = ends.get(name) ?? Number.POSITIVE_INFINITY;
    const to = isDoomed(entry.x ?? "") ? Math.min(end, killedMs) : end;
    const step = `${entry.p}/${entry.o ?? 0}`;
    running.set(step, [...(running.get(step) ?? []), { from: entry.t, to, name }]);
  }
  return [...running.values()].flatMap((attempts) => {
    attempts.sort((a, b) => a.from - b.from);
    return attempts.flatMap(({ to, name }, i) => {
      const next = attempts[i + 1];
      return next !== undefined && next.from < to ? [`${next.name} began before ${name} had ended`] : [];
    });
  });
}

test(
  "of two servers one is killed: its leases return within ten seconds, and what its executors carry over is not run again",
  { timeout: 90_000 },
  async () => {
    const other = await arena.startAnother();
    const submitter = await arena.startLoad("submitter", other);
    await submitter.ask("fill", { plans: DOOMED / 5, capability: "doom" });
    await submitter.ask("fill", { plans: LONG / 5, capability: "long" });
    const doomed = await arena.startLoad("doomed");
    await doomed.ask("executors", {
      streams: 2,
      slots: DOOMED / 2,
      takes: [600_000, 600_000],
      prefix: "doomed",
      capability: "doom",
    });
    const movers = await arena.startLoad("movers");
    const elsewhere = [other.target];
    // Longer than the dead server's session lives: the sweep of its leases comes in between.
    await movers.ask("executors", {
      streams: 1,
      slots: LONG,
      takes: [14_000, 14_000],
      prefix: "long",
      capability: "long",
      elsewhere,
    });
    await movers.ask("executors", { streams: 3, slots: 10, takes: [100, 400], prefix: "mover", elsewhere });
    const stayers = await arena.startLoad("stayers", other);
    await stayers.ask("executors", { streams: 2, slots: 10, takes: [100, 400], prefix: "stayer" });
    await submitter.ask("feed", { at: 3 });
    await until("steps in hand", 20_000, async () => (await doomed.ask("counters")).assigned === DOOMED);
    await until("work of both", 20_000, async () => {
      const [there, here] = await Promise.all([movers.ask("counters"), stayers.ask("counters")]);
      return there.receipts >= 100 && here.receipts >= 100;
    });
    const heir = await arena.startLoad("heir", other);
    await heir.ask("executors", { streams: 1, slots: DOOMED, takes: [1, 2], prefix: "heir", capability: "doom" });

    const killedMs = Date.now();
    await Promise.all([arena.server.kill(), arena.killLoad(doomed)]);

    const wanted = new Set(
      readJournal(arena.journalOf("doomed")).flatMap((entry) =>
        entry.k === "a" ? [`${entry.p}/${entry.o ?? 0}`] : [],
      ),
    );
    expect(wanted.size).toBe(DOOMED);
    const returned = (): Entry[] =>
      readJournal(arena.journalOf("heir")).filter(({ k, p, o }) => k === "a" && wanted.has(`${p}/${o ?? 0}`));
    await until("the return of all leases", 30_000, () => returned().length >= DOOMED);
    const tookMs = Math.max(...returned().map(({ t }) => t)) - killedMs;
    console.info(`leases of a killed server were with another executor ${tookMs} ms after its death`);
    expect(tookMs).toBeLessThan(RETURN_MS);

    await submitter.ask("hush");
    // What was submitted meanwhile is more, the faster the machine is; it is not what is tested.
    const rest = await arena.startLoad("rest", other);
    await rest.ask("executors", { streams: 4, slots: 40, takes: [1, 10], prefix: "rest" });
    await arena.allCompleted(40_000);
    const moved = readJournal(arena.journalOf("movers"));
    expect(moved.filter(({ k }) => k === "l")).toEqual([]);
    // The long ones went over, and their outcomes counted under the number that they began with.
    const carried = moved.filter(({ k, x }) => k === "h" && x === "long-0").map(attemptOf);
    expect(carried).toHaveLength(LONG);
    const taken = new Set(moved.flatMap((entry) => (entry.k === "k" ? [attemptOf(entry)] : [])));
    expect(carried.filter((attempt) => !taken.has(attempt))).toEqual([]);
    expect(overlaps(readJournals(arena.journals), (executor) => executor.startsWith("doomed"), killedMs)).toEqual([]);
    expect(await arena.judge()).toMatchObject({ lost: [], doubled: [], audit: [] });
  },
);
