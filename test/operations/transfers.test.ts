// How much content is under way at once: the bound of the whole server, turns of orgs, and shares that come back. Not here: content.
import { expect, test } from "vitest";
import type { OrgId } from "../../src/domain/id.ts";
import { createTransfers, TRANSFER_LIMITS } from "../../src/engine/transfers.ts";
import type { TransferLimits, Transfers } from "../../src/engine/transfers.ts";
import { newId } from "../support/store.ts";

const [busy, other, third] = [newId() as OrgId, newId() as OrgId, newId() as OrgId];
const quiet = new AbortController().signal;
const transfersOf = (limits: Partial<TransferLimits>): Transfers => createTransfers({ ...TRANSFER_LIMITS, ...limits });

/** Asks for shares, and notes who got one in which order; `end` gives the first that is held back. */
function taker(transfers: Transfers) {
  const got: string[] = [];
  const held: (() => void)[] = [];
  return {
    got,
    ask: async (orgId: OrgId, name: string, bytes = 1, signal = quiet): Promise<void> => {
      const share = await transfers.incoming(orgId, bytes, signal);
      if (!share.ok) throw new Error(share.refusal.reason);
      got.push(name);
      held.push(share.value);
    },
    end: async (): Promise<void> => {
      held.shift()?.();
      await settled();
    },
  };
}

/** Until what was resolved has been heard of. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("beyond the bound of the whole server they wait, and go on as others end", async () => {
  const { ask, end, got } = taker(transfersOf({ bytes: 3, bytesPerOrg: 3 }));
  const asked = [busy, other, third, third].map((orgId, i) => ask(orgId, String(i), i === 1 ? 2 : 1));
  await settled();
  expect(got).toEqual(["0", "1"]);
  await end();
  expect(got).toEqual(["0", "1", "2"]);
  await end();
  await Promise.all(asked);
  expect(got).toEqual(["0", "1", "2", "3"]);
});

test("an org with many waiting is served in turn with the others, and never has all", async () => {
  const { ask, end, got } = taker(transfersOf({ bytes: 3, bytesPerOrg: 2 }));
  const asked = ["b0", "b1", "b2", "b3", "b4"].map((name) => ask(busy, name));
  await settled();
  expect(got).toEqual(["b0", "b1"]);
  asked.push(...["o0", "o1", "o2"].map((name) => ask(other, name)), ask(third, "t0"));
  await settled();
  expect(got).toEqual(["b0", "b1", "o0"]);
  for (let i = 0; i < 6; i++) await end();
  await Promise.all(asked);
  expect(got.slice(3, 6).toSorted()).toEqual(["b2", "o1", "t0"]);
  expect(got).toHaveLength(9);
});

test("a large one is not passed by small ones for ever", async () => {
  const { ask, end, got } = taker(transfersOf({ bytes: 4, bytesPerOrg: 4 }));
  const asked = [ask(busy, "a", 2), ask(busy, "b", 2), ask(other, "large", 4), ask(third, "c"), ask(third, "d")];
  await settled();
  expect(got).toEqual(["a", "b"]);
  await end();
  expect(got).toEqual(["a", "b"]);
  await end();
  expect(got).toEqual(["a", "b", "large"]);
  await end();
  await Promise.all(asked);
  expect(got).toEqual(["a", "b", "large", "c", "d"]);
});

test("more than may wait is refused, of one org and of all; who is gone waits no more", async () => {
  const transfers = transfersOf({ bytes: 1, bytesPerOrg: 1, waiting: 3, waitingPerOrg: 2 });
  const { ask, end, got } = taker(transfers);
  await ask(busy, "first");
  const gone = new AbortController();
  const leaves = ask(busy, "gone", 1, gone.signal).catch(() => "left");
  const asked = [ask(busy, "second")];
  await settled();
  expect(await transfers.incoming(busy, 1, quiet)).toMatchObject({
    ok: false,
    refusal: { reason: "OVERLOADED", rule: "transfers.waiting", metadata: { limit: "2" }, retryable: true },
  });
  asked.push(ask(other, "third"));
  await settled();
  expect(await transfers.incoming(third, 1, quiet)).toMatchObject({ ok: false, refusal: { metadata: { limit: "3" } } });
  gone.abort(new Error("gone"));
  expect(await leaves).toBe("left");
  asked.push(ask(third, "fourth"));
  for (let i = 0; i < 3; i++) await end();
  await Promise.all(asked);
  expect(got).toEqual(["first", "second", "third", "fourth"]);
});

test("the share of a part that its reader does not take is given back in time; one that is given back twice counts once", async () => {
  const transfers = transfersOf({ bytes: 2, bytesPerOrg: 2, patienceMs: 20 });
  const taken = await transfers.outgoing(busy, 2, quiet);
  const next = await transfers.outgoing(other, 2, quiet);
  taken();
  let third_ = false;
  const waiting = transfers.outgoing(third, 2, quiet).then((giveBack) => {
    third_ = true;
    return giveBack;
  });
  await settled();
  expect(third_).toBe(false);
  next();
  next();
  (await waiting)();
});

test("downloads are bounded, of one org and of all, and one that ended makes room", () => {
  const transfers = transfersOf({ downloads: 3, downloadsPerOrg: 2 });
  const open = (orgId: OrgId) => transfers.download(orgId);
  const [first] = [open(busy), open(busy)];
  const refusal = { reason: "OVERLOADED", rule: "transfers.downloads", retryable: true };
  expect(open(busy)).toMatchObject({ ok: false, refusal: { ...refusal, metadata: { limit: "2" } } });
  expect(open(other).ok).toBe(true);
  expect(open(third)).toMatchObject({ ok: false, refusal: { ...refusal, metadata: { limit: "3" } } });
  if (first?.ok === true) {
    first.value();
    first.value();
  }
  expect(open(third).ok).toBe(true);
  expect(open(other).ok).toBe(false);
});
