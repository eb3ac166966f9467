// Which calls go together, and what one of them means for the others. Not here: what groups do in the store, see together.test.ts.
import { expect, test } from "vitest";
import { createGroups } from "../../src/engine/group.ts";
import type { Carry, Fate } from "../../src/engine/group.ts";

const LIMITS = { calls: 3, weight: 100, waiting: 5 };
const never = new AbortController().signal;

/** Groups that end when they are told to. */
function held(fateOf: (call: string) => Fate<string> = (call) => ({ kind: "answer", answer: call.toUpperCase() })) {
  const seen: string[][] = [];
  const open: (() => void)[] = [];
  const came: (() => void)[] = [];
  const carry: Carry<string, string> = async (calls) => {
    seen.push([...calls]);
    came.shift()?.();
    await new Promise<void>((resolve) => open.push(resolve));
    return calls.map(fateOf);
  };
  return {
    seen,
    carry,
    /** A group is under way. */
    begun: () => new Promise<void>((resolve) => came.push(resolve)),
    end: () => open.shift()?.(),
  };
}

test("whoever finds the line empty goes at once, and those who come meanwhile go together, in groups of a bounded size", async () => {
  const groups = createGroups(LIMITS);
  const { seen, carry, begun, end } = held();
  const first = begun();
  const answers = [groups.join("org create", "a", 1, carry, never)];
  await first;
  for (const call of ["b", "c", "d", "e"]) answers.push(groups.join("org create", call, 1, carry, never));
  const second = begun();
  end();
  await second;
  const third = begun();
  end();
  await third;
  end();
  expect(await Promise.all(answers)).toEqual(["A", "B", "C", "D", "E"]);
  expect(seen).toEqual([["a"], ["b", "c", "d"], ["e"]]);
});

test("what is heavy goes alone, and is never left behind", async () => {
  const groups = createGroups(LIMITS);
  const seen: string[][] = [];
  const carry: Carry<string, string> = async (calls) => {
    seen.push([...calls]);
    return calls.map((answer) => ({ kind: "answer", answer }));
  };
  await Promise.all(
    (
      [
        ["a", 60],
        ["b", 60],
        ["c", 500],
        ["d", 1],
      ] as const
    ).map(([call, weight]) => groups.join("line", call, weight, carry, never)),
  );
  expect(seen).toEqual([["a"], ["b"], ["c"], ["d"]]);
});

test("lines do not wait for each other", async () => {
  const groups = createGroups(LIMITS);
  const one = held();
  const begun = one.begun();
  const slow = groups.join("org-1 create", "a", 1, one.carry, never);
  await begun;
  const quick: Carry<string, string> = async (calls) => calls.map(() => ({ kind: "answer", answer: "quick" }));
  expect(await groups.join("org-2 create", "b", 1, quick, never)).toBe("quick");
  one.end();
  expect(await slow).toBe("A");
});

test("a line that is full refuses, and takes calls again when it has moved on", async () => {
  const groups = createGroups(LIMITS);
  const { carry, begun, end } = held();
  const first = begun();
  const answers = [groups.join("line", "a", 1, carry, never)];
  await first;
  for (const call of ["b", "c", "d", "e", "f"]) answers.push(groups.join("line", call, 1, carry, never));
  await expect(groups.join("line", "g", 1, carry, never)).rejects.toMatchObject({
    refusal: { reason: "OVERLOADED", retryable: true, metadata: { limit: "5" } },
  });
  const second = begun();
  end();
  await second;
  answers.push(groups.join("line", "g", 1, carry, never));
  const third = begun();
  end();
  await third;
  end();
  expect(await Promise.all(answers)).toEqual(["A", "B", "C", "D", "E", "F", "G"]);
});

test("a caller that goes away leaves the others alone, whether it waits or is under way", async () => {
  const groups = createGroups(LIMITS);
  const { seen, carry, begun, end } = held();
  const gone = [new AbortController(), new AbortController()] as const;
  const first = begun();
  const under = groups.join("line", "a", 1, carry, gone[0].signal);
  await first;
  const waits = groups.join("line", "b", 1, carry, gone[1].signal);
  const stays = groups.join("line", "c", 1, carry, never);
  const ends = [expect(under).rejects.toThrow("gone"), expect(waits).rejects.toThrow("gone")];
  for (const one of gone) one.abort(new Error("gone"));
  await Promise.all(ends);
  const second = begun();
  end();
  await second;
  end();
  expect(await stays).toBe("C");
  expect(seen).toEqual([["a"], ["c"]]);
});

test("a call that must go again is the first of the next group", async () => {
  const groups = createGroups(LIMITS);
  const seen: string[][] = [];
  const carry: Carry<string, string> = async (calls) => {
    seen.push([...calls]);
    const again = seen.length === 1;
    return calls.map((call, i) => (again && i > 0 ? { kind: "again" } : { kind: "answer", answer: call }));
  };
  const answers = ["a", "b", "c", "d"].map((call) => groups.join("line", call, 1, carry, never));
  expect(await Promise.all(answers)).toEqual(["a", "b", "c", "d"]);
  expect(seen).toEqual([
    ["a", "b", "c"],
    ["b", "c", "d"],
  ]);
});

test("a bug in a group is the end of its calls, and of no others", async () => {
  const groups = createGroups(LIMITS);
  const buggy: Carry<string, string> = async () => {
    throw new Error("a bug");
  };
  await expect(groups.join("line", "a", 1, buggy, never)).rejects.toThrow("a bug");
  const well: Carry<string, string> = async (calls) => calls.map((answer) => ({ kind: "answer", answer }));
  expect(await groups.join("line", "b", 1, well, never)).toBe("b");
});
