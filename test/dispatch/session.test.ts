// The server's session against the store: when it is new, and when its installation is another one. Not here: what follows from it
// for leases (leases.test.ts), and the statements (../contract/store-looks.test.ts).
import { afterEach, beforeEach, expect, test } from "vitest";
import { ServerSession } from "../../src/dispatch/session.ts";
import { CommitUnknownError, StoreUnavailableError } from "../../src/store/ports/store.ts";
import { systemClock } from "../../src/support/clock.ts";
import { asAdmin } from "../support/database.ts";
import { newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

let it: TestStore;
beforeEach(async () => {
  const [server] = servers();
  if (server === undefined) throw new Error("no server");
  it = await openStore(server);
});
afterEach(() => it.end());

const about = { address: "here", build: "test" };
const sessionOf = (platform = it.store.platform): ServerSession =>
  new ServerSession(platform, systemClock, newId, about);

test("a session that lapsed is followed by another one, and that is told once", async () => {
  const session = sessionOf();
  const installation = await session.open();
  const first = session.id;
  expect(await session.renew()).toMatchObject({ anew: false, installation });
  await it.store.platform.endSession(first);
  expect(await session.renew()).toMatchObject({ anew: true });
  expect(session.id).not.toBe(first);
  expect(session.mayCommit()).toBe(true);
  expect(await session.renew()).toMatchObject({ anew: false });
});

test("a session that was begun, and nobody heard that it was, is told of with the next renewal", async () => {
  const { platform } = it.store;
  let unheard = false;
  const session = sessionOf({
    ...platform,
    openSession: async (...session) => {
      const opened = await platform.openSession(...session);
      if (unheard) throw new CommitUnknownError("the connection broke during commit");
      return opened;
    },
  });
  await session.open();
  await platform.endSession(session.id);
  unheard = true;
  await expect(session.renew()).rejects.toThrow(CommitUnknownError);
  unheard = false;
  const begun = session.id;
  expect(await session.renew()).toMatchObject({ anew: true });
  expect(session.id).toBe(begun);
});

test("whether the store is reached is known from the last renewal", async () => {
  const { platform } = it.store;
  let away = false;
  const session = sessionOf({
    ...platform,
    renewSession: async (...renewal) => {
      if (away) throw new StoreUnavailableError("away");
      return await platform.renewSession(...renewal);
    },
  });
  await session.open();
  expect(session.isReached).toBe(true);
  away = true;
  await expect(session.renew()).rejects.toThrow("away");
  expect([session.isReached, session.isAlive]).toEqual([false, true]);
  away = false;
  await session.renew();
  expect(session.isReached).toBe(true);
});

test.each([
  ["another life of the installation", "UPDATE maestro.installation SET store_epoch = store_epoch + 1"],
  ["another installation in the same life", "UPDATE maestro.installation SET installation_id = gen_random_uuid()"],
])("in %s nothing is begun any more, whether or not the session is still there", async (_, replace) => {
  const session = sessionOf();
  await session.open();
  let isReplaced = false;
  const told = session.replaced.then(() => (isReplaced = true));
  expect(session.mayCommit()).toBe(true);
  await asAdmin(it.database.adminUrl, (admin) => admin.unsafe(replace));
  expect(await session.renew()).toMatchObject({ anew: false, revoked: [], lapsed: [] });
  await told;
  expect([isReplaced, session.mayCommit(), session.isAlive]).toEqual([true, false, false]);
  await it.store.platform.endSession(session.id);
  const { id } = session;
  await session.renew();
  expect([session.id, session.mayCommit()], "it opens no other session either").toEqual([id, false]);
});
