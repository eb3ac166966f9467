// The bytes of artifacts apart from transactions: what is kept, read and hashed, for whom, and trouble as it arrives from the
// thread that does it. Not here: what is known of artifacts, see store-artifacts.test.ts.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Upload } from "../../src/domain/artifact.ts";
import type { OrgId, UploadId } from "../../src/domain/id.ts";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { openContentsApart } from "../../src/store/postgres/contents-apart.ts";
import { CHUNK, contentOf, digestOf } from "../support/artifacts.ts";
import { addOrg, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
  });
  afterAll(() => it.end());

  const content = contentOf(3 * CHUNK + 5, 3);
  const chunk = (place: number): Buffer => Buffer.from(content.subarray(place * CHUNK, (place + 1) * CHUNK));
  async function begun(): Promise<Upload> {
    const upload: Upload = {
      orgId,
      uploadId: newId() as UploadId,
      principal: randomUUID(),
      digest: digestOf(content),
      sizeBytes: content.length,
      chunkBytes: CHUNK,
      contentType: "",
      name: "",
      createdMs: 1,
      expiresMs: 9e12,
    };
    await it.store.transaction([orgId], (tx) => tx.artifacts.addUpload(upload));
    return upload;
  }
  const put = ({ uploadId: contentId }: Upload, place: number, data: Uint8Array = chunk(place), as = orgId) =>
    it.store.contents.put({ orgId: as, contentId, place }, data);
  const get = ({ uploadId: contentId }: Upload, place: number, offset: number, length: number, as = orgId) =>
    it.store.contents.get({ orgId: as, contentId, place, offset, length });

  test("a chunk is kept once, whoever sends it at the same time, and read in any part", async () => {
    const upload = await begun();
    expect((await Promise.all([put(upload, 1), put(upload, 1), put(upload, 1)])).toSorted()).toEqual([
      "added",
      "same",
      "same",
    ]);
    expect(await put(upload, 1, contentOf(CHUNK, 4))).toBe("other");
    for (const [offset, length] of [
      [0, CHUNK],
      [1, 10],
      [CHUNK - 1, 500],
    ] as const)
      expect(
        chunk(1)
          .subarray(offset, offset + length)
          .equals((await get(upload, 1, offset, length)) ?? Buffer.alloc(0)),
      ).toBe(true);
    expect(await get(upload, 0, 0, 10)).toBeUndefined();
  });

  test("bytes that share their memory with others are taken without it", async () => {
    const upload = await begun();
    const small = content.subarray(0, 100);
    expect(await put(upload, 0, small)).toBe("added");
    expect(content.length).toBe(3 * CHUNK + 5);
    expect(small.equals((await get(upload, 0, 0, 100)) ?? Buffer.alloc(0))).toBe(true);
  });

  test("a digest is right whatever the order, once and again, and after the upload was forgotten", async () => {
    for (const order of [
      [0, 1, 2, 3],
      [3, 1, 0, 2],
    ]) {
      const upload = await begun();
      for (const place of order) await put(upload, place);
      expect(await it.store.contents.digest(upload)).toBe(upload.digest);
      expect(await it.store.contents.digest(upload)).toBe(upload.digest);
      it.store.contents.forget(upload.uploadId);
      expect(await it.store.contents.digest(upload)).toBe(upload.digest);
    }
  });

  test("a digest that takes long comes in parts, and ends where it should", async () => {
    const upload = { ...(await begun()), sizeBytes: 150 * CHUNK };
    const [data] = [contentOf(CHUNK, 9)];
    for (let place = 149; place >= 0; place--) await put(upload, place, Buffer.from(data ?? []));
    let asked = 0;
    let digest: string | undefined;
    for (; digest === undefined; asked++) digest = await it.store.contents.digest(upload);
    expect(digest).toBe(digestOf(Buffer.concat(Array.from({ length: 150 }, () => data ?? Buffer.alloc(0)))));
    expect(asked).toBeGreaterThan(1);
  });

  test("without its upload a chunk is not kept; another org neither reads nor writes it", async () => {
    const upload = await begun();
    await put(upload, 0);
    const { orgId: stranger } = await addOrg(it.store);
    expect(await get(upload, 0, 0, 10, stranger)).toBeUndefined();
    expect(await put(upload, 1, chunk(1), stranger)).toBe("gone");
    await it.store.transaction([orgId], (tx) => tx.artifacts.endUpload(orgId, upload.uploadId, "dropped", 1));
    expect(await put(upload, 1)).toBe("gone");
    expect(await get(upload, 1, 0, 10)).toBeUndefined();
  });

  test("who calls it off hears of that, and trouble comes as what it is", async () => {
    const upload = await begun();
    const off = new AbortController();
    const reason = new Error("enough");
    const at = { orgId, contentId: upload.uploadId, place: 0 };
    const putting = it.store.contents.put(at, chunk(0), off.signal);
    off.abort(reason);
    // It may have been done by then: both are right.
    expect(await putting.catch((error: unknown) => error)).toSatisfy((end) => end === reason || end === "added");
    await expect(it.store.contents.put(at, chunk(0), off.signal)).rejects.toBe(reason);

    const nowhere = openContentsApart(
      {
        url: "postgres://nobody@127.0.0.1:1/nothing",
        poolSize: 1,
        prepare: true,
        lockMs: 1_000,
        applicationName: "test",
      },
      () => undefined,
    );
    await expect(nowhere.put(at, chunk(0))).rejects.toThrow(StoreUnavailableError);
    await nowhere.close();
    await expect(nowhere.get({ ...at, offset: 0, length: 1 })).rejects.toThrow(StoreUnavailableError);
  });
});
