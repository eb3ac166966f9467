// ArtifactService over both listeners and as a browser calls it: uploads, downloads, and what is refused. Not here: the store's part
// (contract), large content and killed servers.
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { RefusalReason, RefusalReasonSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import { CHUNK, contentOf, digestOf, put, sendMissing, uploadOf } from "../support/artifacts.ts";
import type { Artifacts } from "../support/artifacts.ts";
import { asAdmin, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

const KIB = 1024;

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({
    databaseUrl: database.url,
    artifactMaxBytes: 2 * KIB * KIB,
    artifactOrgBytes: 8 * KIB * KIB,
  });
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

const native = () => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` });
const artifacts = (transport: Transport = native()): Artifacts => createClient(ArtifactService, transport);

async function download(client: Artifacts, uri: string, offset = 0, length = 0): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let at = BigInt(offset);
  for await (const { message } of client.downloadArtifact({ uri, offset: at, length: BigInt(length) })) {
    if (message.case !== "part") continue;
    expect(message.value.offset).toBe(at);
    at += BigInt(message.value.data.length);
    parts.push(message.value.data);
  }
  return Buffer.concat(parts);
}

const reasonOf = async (call: Promise<unknown>) =>
  RefusalReasonSchema.value[(await refused(call)).refusal.reason]?.localName;

const transports: Readonly<Record<string, () => Transport>> = {
  "native gRPC": native,
  "gRPC on the wide port": () => createGrpcTransport({ baseUrl: server.wideUrl }),
  "gRPC-Web": () => createGrpcWebTransport({ baseUrl: server.wideUrl, httpVersion: "1.1" }),
  "Connect over HTTP/1.1": () => createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "1.1" }),
};

test.each(Object.keys(transports))(
  "what is uploaded over %s is downloaded as it was, whole and in ranges",
  async (name) => {
    const client = artifacts(transports[name]?.());
    const content = contentOf(200 * KIB + 7, name.length);
    const artifact = await put(client, content, "build log");
    expect(artifact).toMatchObject({
      uri: `max://artifact/${digestOf(content)}`,
      digest: digestOf(content),
      sizeBytes: BigInt(content.length),
      contentType: "application/octet-stream",
      name: "build log",
      createdBy: "local",
    });
    expect((await client.getArtifact({ uri: artifact.uri })).artifact).toEqual(artifact);
    expect((await client.getArtifact({ uri: artifact.digest })).artifact).toEqual(artifact);
    expect((await download(client, artifact.uri)).equals(content)).toBe(true);
    for (const [offset, length] of [
      [0, 1],
      [CHUNK - 1, 2],
      [CHUNK, CHUNK],
      [100_000, 0],
      [content.length - 3, 100],
      [content.length, 0],
    ] as const) {
      const expected = content.subarray(offset, length === 0 ? undefined : offset + length);
      expect((await download(client, artifact.uri, offset, length)).equals(expected)).toBe(true);
    }
  },
);

describe("an upload", () => {
  test("takes chunks in any order, several at once, and the same again", async () => {
    const client = artifacts();
    const content = contentOf(10 * CHUNK - 5, 77);
    const digest = digestOf(content);
    const upload = uploadOf(await client.beginUpload({ digest, sizeBytes: BigInt(content.length), chunkBytes: CHUNK }));
    const send = (place: number) =>
      client.uploadChunk({
        uploadId: upload.uploadId,
        offset: BigInt(place * CHUNK),
        data: content.subarray(place * CHUNK, (place + 1) * CHUNK),
      });
    await Promise.all([7, 3, 9, 3, 0].map(send));
    const half = (await client.getUpload({ uploadId: upload.uploadId })).upload;
    expect(half?.receivedBytes).toBe(BigInt(4 * CHUNK - 5));
    expect(half?.missing.map(({ offset, sizeBytes }) => [Number(offset) / CHUNK, Number(sizeBytes) / CHUNK])).toEqual([
      [1, 2],
      [4, 3],
      [8, 1],
    ]);
    const { refusal } = await refused(client.finishUpload({ uploadId: upload.uploadId }));
    expect(refusal).toMatchObject({
      reason: RefusalReason.STATE_CONFLICT,
      metadata: { kind: "upload", id: upload.uploadId, state: "INCOMPLETE", missing_offset: String(CHUNK) },
    });
    await Promise.all([8, 6, 5, 4, 2, 1].map(send));
    expect((await client.finishUpload({ uploadId: upload.uploadId })).artifact?.digest).toBe(digest);
    expect((await refused(client.getUpload({ uploadId: upload.uploadId }))).refusal.reason).toBe(
      RefusalReason.NOT_FOUND,
    );
  });

  test("that is begun again is the same one, and says what is missing; content that is there needs none", async () => {
    const client = artifacts();
    const content = contentOf(3 * CHUNK, 5);
    const request = { digest: digestOf(content), sizeBytes: BigInt(content.length), chunkBytes: CHUNK };
    const first = uploadOf(await client.beginUpload(request));
    await client.uploadChunk({ uploadId: first.uploadId, offset: 0n, data: content.subarray(0, CHUNK) });
    const again = uploadOf(await client.beginUpload({ ...request, chunkBytes: 0 }));
    expect(again).toMatchObject({ uploadId: first.uploadId, chunkBytes: CHUNK, receivedBytes: BigInt(CHUNK) });
    await sendMissing(client, again, content);
    await client.finishUpload({ uploadId: again.uploadId });
    expect((await client.beginUpload(request)).result.case).toBe("artifact");
    const { refusal } = await refused(client.beginUpload({ ...request, sizeBytes: 1n }));
    expect(refusal).toMatchObject({
      reason: RefusalReason.CONTRADICTORY_EVIDENCE,
      metadata: { expected: String(content.length), actual: "1" },
    });
  });

  test("with another digest is dropped, and its bytes count no longer", async () => {
    const client = artifacts();
    const content = contentOf(CHUNK + 1, 8);
    const other = contentOf(CHUNK + 1, 9);
    const request = { digest: digestOf(content), sizeBytes: BigInt(content.length), chunkBytes: CHUNK };
    const upload = uploadOf(await client.beginUpload(request));
    await sendMissing(client, upload, other);
    const { refusal } = await refused(client.finishUpload({ uploadId: upload.uploadId, idempotencyKey: "wrong" }));
    expect(refusal).toMatchObject({
      reason: RefusalReason.CONTRADICTORY_EVIDENCE,
      metadata: { expected: digestOf(content), actual: digestOf(other) },
    });
    expect(refusal.recordUri).toMatch(/^max:\/\/record\//);
    expect((await refused(client.getUpload({ uploadId: upload.uploadId }))).refusal.reason).toBe(
      RefusalReason.NOT_FOUND,
    );
    // The key's answer is the refusal; without it there is nothing to finish any more.
    const repeat = await refused(client.finishUpload({ uploadId: upload.uploadId, idempotencyKey: "wrong" }));
    expect(repeat.refusal.recordUri).toBe(refusal.recordUri);
    expect((await put(client, content)).digest).toBe(digestOf(content));
  });

  test("refuses other bytes for a chunk that it has, and chunks that are none", async () => {
    const client = artifacts();
    const content = contentOf(2 * CHUNK + 10, 11);
    const { uploadId } = uploadOf(
      await client.beginUpload({ digest: digestOf(content), sizeBytes: BigInt(content.length), chunkBytes: CHUNK }),
    );
    const data = content.subarray(0, CHUNK);
    await client.uploadChunk({ uploadId, offset: 0n, data });
    const chunkReason = async (chunk: { readonly offset: bigint; readonly data: Uint8Array }) =>
      reasonOf(client.uploadChunk({ uploadId, ...chunk }));
    expect(await chunkReason({ offset: 0n, data: contentOf(CHUNK, 12) })).toBe("CONTRADICTORY_EVIDENCE");
    expect(await chunkReason({ offset: 1n, data })).toBe("INVALID_REQUEST");
    expect(await chunkReason({ offset: BigInt(3 * CHUNK), data })).toBe("INVALID_REQUEST");
    expect(await chunkReason({ offset: BigInt(CHUNK), data: data.subarray(1) })).toBe("INVALID_REQUEST");
    expect(await chunkReason({ offset: BigInt(2 * CHUNK), data })).toBe("INVALID_REQUEST");
    expect(await chunkReason({ offset: 0n, data: new Uint8Array(KIB * KIB + 1) })).toBe("INVALID_REQUEST");
    await client.abortUpload({ uploadId });
    expect(await chunkReason({ offset: 0n, data })).toBe("NOT_FOUND");
  });

  test("beyond a limit is refused before anything is sent: of one artifact, and of the org", async () => {
    const client = artifacts();
    const large = await refused(client.beginUpload({ digest: digestOf(Buffer.from("l")), sizeBytes: 2_097_153n }));
    expect(large.refusal).toMatchObject({
      reason: RefusalReason.TOO_LARGE,
      metadata: { limit_bytes: "2097152", size_bytes: "2097153" },
    });
    const begun: string[] = [];
    let refusal;
    for (let i = 0; i < 5 && refusal === undefined; i++) {
      const request = { digest: digestOf(Buffer.from(`quota ${i}`)), sizeBytes: 2_097_152n };
      const answer = await client.beginUpload(request).catch(async () => undefined);
      if (answer === undefined) ({ refusal } = await refused(client.beginUpload(request)));
      else begun.push(uploadOf(answer).uploadId);
    }
    expect(refusal).toMatchObject({
      reason: RefusalReason.BUDGET_EXHAUSTED,
      metadata: { dimension: "artifact_bytes", needed: "2097152" },
    });
    for (const uploadId of begun) await client.abortUpload({ uploadId });
    expect((await put(client, contentOf(CHUNK, 13))).sizeBytes).toBe(BigInt(CHUNK));
  });

  test("is begun no more often than fits, however many begin at the same time", async () => {
    const client = artifacts();
    const asked = Array.from({ length: 12 }, (_, i) => ({
      digest: digestOf(Buffer.from(`race ${i}`)),
      sizeBytes: 2_097_152n,
    }));
    const answers = await Promise.allSettled(asked.map((request) => client.beginUpload(request)));
    const begun = answers.flatMap((answer) => (answer.status === "fulfilled" ? uploadOf(answer.value).uploadId : []));
    // What earlier tests put is there as well.
    expect(begun).toHaveLength(3);
    for (const uploadId of begun) await client.abortUpload({ uploadId });
  });

  test("that is finished again, at the same time or later, gives the artifact that it became, and one record", async () => {
    const client = artifacts();
    const content = contentOf(2 * CHUNK, 91);
    const { uploadId } = uploadOf(
      await client.beginUpload({ digest: digestOf(content), sizeBytes: BigInt(content.length), chunkBytes: CHUNK }),
    );
    for (const place of [0, 1]) {
      const data = content.subarray(place * CHUNK, (place + 1) * CHUNK);
      await client.uploadChunk({ uploadId, offset: BigInt(place * CHUNK), data });
    }
    const answers = await Promise.all(Array.from({ length: 10 }, () => client.finishUpload({ uploadId })));
    const [first] = answers;
    expect(first?.artifact?.digest).toBe(digestOf(content));
    for (const { artifact } of [...answers, await client.finishUpload({ uploadId })])
      expect(artifact).toEqual(first?.artifact);
    const [row] = await asAdmin(
      database.adminUrl,
      (sql) => sql<{ n: number }[]>`SELECT count(*)::int AS n FROM maestro.journal
        WHERE kind = 'artifact.finish_upload' AND body::jsonb->>'digest' = ${digestOf(content)}`,
    );
    expect(row?.n).toBe(1);
    await client.deleteArtifact({ uri: first?.artifact?.uri ?? "" });
    expect(await reasonOf(client.finishUpload({ uploadId }))).toBe("NOT_FOUND");
  });

  test("of nothing is finished at once", async () => {
    const client = artifacts();
    const artifact = await put(client, Buffer.alloc(0));
    expect(artifact.sizeBytes).toBe(0n);
    expect(await download(client, artifact.uri)).toHaveLength(0);
  });
});

test("whoever knows a digest of another org knows nothing, and another principal's upload does not exist", async () => {
  const content = contentOf(CHUNK, 21);
  const { uri, digest } = await put(artifacts(), content);
  const half = contentOf(CHUNK, 22);
  const underWay = uploadOf(
    await artifacts().beginUpload({ digest: digestOf(half), sizeBytes: BigInt(half.length), chunkBytes: CHUNK }),
  );
  const identity = createClient(IdentityService, native());
  const { secret } = await identity.createOrg({ name: "elsewhere" });
  const { secret: colleague } = await identity.createApiKey({ principal: "colleague", grants: ["*"] });
  const withKey = (key: string) =>
    artifacts(
      createGrpcTransport({
        baseUrl: server.wideUrl,
        interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${key}`), next(request))],
      }),
    );
  const stranger = withKey(secret);
  expect(await reasonOf(stranger.getArtifact({ uri }))).toBe("NOT_FOUND");
  expect(await reasonOf(download(stranger, uri))).toBe("NOT_FOUND");
  expect(await reasonOf(stranger.deleteArtifact({ uri }))).toBe("NOT_FOUND");
  expect((await stranger.listArtifacts({})).artifacts).toEqual([]);
  const begun = await stranger.beginUpload({ digest, sizeBytes: BigInt(content.length), chunkBytes: CHUNK });
  expect(uploadOf(begun).receivedBytes).toBe(0n);
  for (const other of [stranger, withKey(colleague)]) {
    const { uploadId } = underWay;
    expect(await reasonOf(other.getUpload({ uploadId }))).toBe("NOT_FOUND");
    expect(await reasonOf(other.uploadChunk({ uploadId, offset: 0n, data: half }))).toBe("NOT_FOUND");
    expect(await reasonOf(other.finishUpload({ uploadId }))).toBe("NOT_FOUND");
    expect(await reasonOf(other.abortUpload({ uploadId }))).toBe("NOT_FOUND");
  }
  // In the same org the content is there for all; bytes sent by one principal are not taken for another's.
  const theirs = await withKey(colleague).beginUpload({
    digest: digestOf(half),
    sizeBytes: BigInt(half.length),
    chunkBytes: CHUNK,
  });
  expect(uploadOf(theirs).uploadId).not.toBe(underWay.uploadId);
  expect((await withKey(colleague).getArtifact({ uri })).artifact?.digest).toBe(digest);
});

test("the same content from several principals at once is kept once", async () => {
  const identity = createClient(IdentityService, native());
  const content = contentOf(4 * CHUNK, 31);
  const clients = await Promise.all(
    ["a", "b", "c"].map(async (principal) => {
      const { secret } = await identity.createApiKey({ principal, grants: ["map.maestro.artifact.*"] });
      return artifacts(
        createGrpcTransport({
          baseUrl: server.wideUrl,
          interceptors: [
            (next) => (request) => (request.header.set("authorization", `Bearer ${secret}`), next(request)),
          ],
        }),
      );
    }),
  );
  const made = await Promise.all(clients.map((client) => put(client, content)));
  expect(new Set(made.map(({ uri }) => uri)).size).toBe(1);
  const rows = await asAdmin(
    database.adminUrl,
    (sql) => sql<{ n: number }[]>`SELECT count(*)::int AS n FROM maestro.artifacts WHERE digest = ${digestOf(content)}`,
  );
  expect(rows[0]?.n).toBe(1);
});

test("the list has every artifact once, newest first, in pages; a deleted one is gone", async () => {
  const client = artifacts();
  const mine: string[] = [];
  for (const seed of [41, 42, 43]) mine.push((await put(client, contentOf(100, seed))).uri);
  const listed: string[] = [];
  for (let pageToken = ""; ;) {
    const page = await client.listArtifacts({ pageSize: 2, pageToken });
    listed.push(...page.artifacts.map(({ uri }) => uri));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(new Set(listed).size).toBe(listed.length);
  expect(listed.filter((uri) => mine.includes(uri))).toEqual(mine.toReversed());
  await client.deleteArtifact({ uri: mine[0] ?? "" });
  expect((await refused(client.getArtifact({ uri: mine[0] ?? "" }))).refusal.reason).toBe(RefusalReason.NOT_FOUND);
  expect((await client.listArtifacts({ pageSize: 1000 })).artifacts.map(({ uri }) => uri)).not.toContain(mine[0]);
});

test("begin, finish, abort and delete leave one record each; chunks leave none", async () => {
  const kinds = async () =>
    asAdmin(
      database.adminUrl,
      async (sql) =>
        new Map(
          (
            await sql<
              { kind: string; n: number }[]
            >`SELECT kind, count(*)::int AS n FROM maestro.journal WHERE kind LIKE 'artifact.%' GROUP BY 1`
          ).map(({ kind, n }) => [kind, n]),
        ),
    );
  const before = await kinds();
  const client = artifacts();
  const { uri } = await put(client, contentOf(3 * CHUNK, 51));
  await client.deleteArtifact({ uri });
  const { uploadId } = uploadOf(await client.beginUpload({ digest: digestOf(Buffer.from("r")), sizeBytes: 1n }));
  await client.abortUpload({ uploadId });
  const after = await kinds();
  const more = [...after].map(([kind, n]) => [kind, n - (before.get(kind) ?? 0)] as const).filter(([, n]) => n > 0);
  expect(new Map(more)).toEqual(
    new Map([
      ["artifact.begin_upload", 2],
      ["artifact.finish_upload", 1],
      ["artifact.delete", 1],
      ["artifact.abort_upload", 1],
    ]),
  );
});

test("after all of this, each org's account says what its artifacts and uploads take", async () => {
  const accounts = await asAdmin(
    database.adminUrl,
    (sql) => sql<{ same: boolean }[]>`
      SELECT c.kept_bytes = (SELECT coalesce(sum(a.size_bytes), 0) FROM maestro.artifacts a WHERE a.org_id = c.org_id)
        AND c.promised_bytes = (SELECT coalesce(sum(u.size_bytes), 0) FROM maestro.artifact_uploads u WHERE u.org_id = c.org_id) AS same
      FROM maestro.artifact_accounts c`,
  );
  expect(accounts).toEqual([{ same: true }, { same: true }]);
});
