// Idempotency keys and journals under contention.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OrgId, SessionId } from "../../src/domain/id.ts";
import { storeRecord } from "../../src/domain/record.ts";
import type { IdempotentCall } from "../../src/store/ports/idempotency.ts";
import { asAdmin } from "../support/database.ts";
import { addOrg, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  beforeAll(async () => {
    it = await openStore(server);
  });
  beforeAll(async () => {
    ({ orgId } = await addOrg(it.store));
  });
  afterAll(() => it.end());

  const call = (fields: Partial<IdempotentCall> = {}): IdempotentCall => ({
    orgId,
    principal: "alice",
    key: newId(),
    operation: "goal.plan",
    bodyDigest: Buffer.from("body"),
    ...fields,
  });

  test("of many identical calls at once one is new, and the others get its answer", async () => {
    const same = call();
    const found = await Promise.all(
      Array.from({ length: 8 }, () =>
        it.store.transaction([orgId], async (tx) => {
          const earlier = await tx.idempotency.begin(same, 1_000, 1_000);
          if (earlier.kind === "new") await tx.idempotency.finish(same, { answer: Buffer.from("done") });
          return earlier;
        }),
      ),
    );
    expect(found.filter((one) => one.kind === "new")).toHaveLength(1);
    expect(found.filter((one) => one.kind === "answered").map((one) => Buffer.from(one.answer).toString())).toEqual(
      Array.from({ length: 7 }, () => "done"),
    );
  });

  test("a call whose transaction fails leaves its key to the next", async () => {
    const same = call();
    await expect(
      it.store.transaction([orgId], async (tx) => {
        await tx.idempotency.begin(same, 1, 10);
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(
      await it.store.transaction([orgId], async (tx) => {
        const kind = await tx.idempotency.begin(same, 1, 10);
        await tx.idempotency.finish(same, { refusal: '{"no":1}' });
        return kind;
      }),
    ).toEqual({ kind: "new" });
    expect(await it.store.transaction([orgId], (tx) => tx.idempotency.begin(same, 2, 10))).toEqual({
      kind: "refused",
      refusal: '{"no":1}',
    });
  });

  test("another body or operation under the key is a conflict; another principal or org has keys of its own", async () => {
    const same = call();
    await it.store.transaction([orgId], async (tx) => {
      await tx.idempotency.begin(same, 1, 10);
      await tx.idempotency.finish(same, { answer: Buffer.alloc(0) });
    });
    const other = (fields: Partial<IdempotentCall>) =>
      it.store.transaction([orgId], (tx) => tx.idempotency.begin({ ...same, ...fields }, 2, 10));
    expect(await other({ bodyDigest: Buffer.from("other") })).toEqual({ kind: "conflict" });
    expect(await other({ operation: "goal.cancel" })).toEqual({ kind: "conflict" });
    expect(await other({ principal: "bob" })).toEqual({ kind: "new" });
    expect(await other({})).toMatchObject({ kind: "answered" });
    const { orgId: stranger } = await addOrg(it.store);
    expect(
      await it.store.transaction([stranger], (tx) => tx.idempotency.begin({ ...same, orgId: stranger }, 2, 10)),
    ).toEqual({ kind: "new" });
  });

  test("an expired key is new again, and swept", async () => {
    const same = call();
    const answer = async (nowMs: number) =>
      it.store.transaction([orgId], async (tx) => {
        const earlier = await tx.idempotency.begin(same, nowMs, 10);
        if (earlier.kind === "new") await tx.idempotency.finish(same, { answer: Buffer.from(String(nowMs)) });
        return earlier.kind;
      });
    expect([await answer(1), await answer(10), await answer(11), await answer(12)]).toEqual([
      "new",
      "answered",
      "new",
      "answered",
    ]);
    while ((await it.store.platform.dropExpiredKeys(2)) > 0);
    expect(await it.store.transaction([orgId], (tx) => tx.idempotency.peek([same], 1))).toEqual([{ kind: "new" }]);
  });

  test("peeking tells what became of calls, in their order, and takes no key", async () => {
    const [kept, unknown, clash] = [call(), call(), call()] as const;
    await it.store.transaction([orgId], async (tx) => {
      for (const one of [kept, clash]) {
        await tx.idempotency.begin(one, 1, 10);
        await tx.idempotency.finish(one, { answer: Buffer.from("a") });
      }
    });
    const found = await it.store.transaction([orgId], (tx) =>
      tx.idempotency.peek([unknown, kept, { ...clash, operation: "x" }], 5),
    );
    expect(found.map(({ kind }) => kind)).toEqual(["new", "answered", "conflict"]);
    expect(await it.store.transaction([orgId], (tx) => tx.idempotency.begin(unknown, 5, 10))).toEqual({ kind: "new" });
  });

  test("a journal has no gap and no double, however many append at once and however many fail", async () => {
    const session = newId() as SessionId;
    const draft = (i: number) => ({
      kind: "charter.declare",
      actor: 'al"ice',
      body: { i, text: 'ünïcode \\ "' },
      payload: i % 2 === 0 ? "secret" : null,
    });
    await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) =>
        it.store.transaction([orgId], async (tx) => {
          await tx.records.appendJournal(orgId, session, i % 3 === 0 ? [draft(i), draft(i)] : [draft(i)], 1_000 + i);
          if (i % 5 === 0) throw new Error("rolled back");
        }),
      ),
    );
    const rows = await asAdmin(
      it.database.adminUrl,
      (sql) => sql<
        {
          seq: number;
          header: string;
          body: string;
          leaf: Uint8Array;
          header_salt: Uint8Array;
          body_salt: Uint8Array;
          record_id: string;
          at_ms: number;
        }[]
      >`
      SELECT seq::int, header, body, leaf, header_salt, body_salt, record_id, at_ms::float8 FROM maestro.journal WHERE session_id = ${session} ORDER BY seq`,
    );
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.map((row) => row.seq)).toEqual(rows.map((_, i) => i + 1));
    for (const row of rows) {
      const { i } = JSON.parse(row.body) as { i: number };
      const again = storeRecord(
        draft(i),
        { orgId, stream: session, seq: row.seq, atMs: row.at_ms },
        row.record_id as never,
        Buffer.concat([row.header_salt, row.body_salt]),
      );
      expect(Buffer.from(row.leaf).toString("hex")).toBe(again.leaf);
      expect(row.header).toBe(again.header);
    }
  });
});
