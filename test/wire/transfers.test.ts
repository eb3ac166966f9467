// Many transfers at once over the wire: clients that stall in the midst of a chunk, and readers that take nothing. Neither keeps
// others from going on. Not here: who waits for whom, see operations/transfers.test.ts.
import { once } from "node:events";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { fromBinary, toBinary, create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import {
  ArtifactService,
  DownloadArtifactRequestSchema,
  DownloadArtifactResponseSchema,
  UploadChunkRequestSchema,
} from "../../gen/maestro/v1/artifact_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { TRANSFER_LIMITS } from "../../src/engine/transfers.ts";
import { CHUNK, contentOf, digestOf, put, uploadOf } from "../support/artifacts.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

const MIB = 1_048_576;

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

const artifacts = () => createClient(ArtifactService, createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` }));

/** A call of which the test sends and reads each byte itself. */
function bare(session: ClientHttp2Session, method: string): ClientHttp2Stream {
  return session.request({
    ":method": "POST",
    ":path": `/maestro.v1.ArtifactService/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** A download whose reader takes nothing beyond its window until it is told to. */
function stalledDownload(session: ClientHttp2Session, uri: string): ClientHttp2Stream {
  const call = bare(session, "DownloadArtifact");
  call.on("error", () => undefined);
  call.end(framed(toBinary(DownloadArtifactRequestSchema, create(DownloadArtifactRequestSchema, { uri }))));
  return call;
}

const listeners: Readonly<Record<string, () => string>> = {
  "the fast lane": () => `http://${server.grpcUrl}`,
  "the wide port": () => server.wideUrl,
};

const seedOf = (name: string): number => 1 + Object.keys(listeners).indexOf(name);

describe.each(Object.keys(listeners))("on %s", (name) => {
  const open = () => connect(listeners[name]?.() ?? "");

  test("uploads that stall in the midst of a chunk hold nothing that others need", { timeout: 60_000 }, async () => {
    const client = artifacts();
    const content = contentOf(MIB, seedOf(name));
    const begun = await client.beginUpload({
      digest: digestOf(content),
      sizeBytes: BigInt(content.length),
      chunkBytes: MIB,
    });
    const { uploadId } = uploadOf(begun);
    const message = framed(
      toBinary(UploadChunkRequestSchema, create(UploadChunkRequestSchema, { uploadId, data: content })),
    );
    const session = open();
    // More of them than may be under way at once.
    const stalled = Array.from({ length: (2 * TRANSFER_LIMITS.bytes) / MIB }, () => {
      const call = bare(session, "UploadChunk");
      call.write(message.subarray(0, message.length - 1));
      return call.on("error", () => undefined);
    });
    const others = [contentOf(3 * MIB, 71), contentOf(3 * MIB, 72)];
    for (const made of await Promise.all(others.map((bytes) => put(client, bytes))))
      await client.deleteArtifact({ uri: made.uri });
    // What they had sent was not lost: with its last byte a chunk is taken.
    const [first] = stalled;
    first?.end(message.subarray(message.length - 1));
    first?.resume();
    if (first !== undefined) await once(first, "end");
    session.destroy();
    expect((await client.finishUpload({ uploadId })).artifact?.digest).toBe(digestOf(content));
  });

  test(
    "readers that take nothing keep nobody from reading, and get the rest when they go on",
    { timeout: 60_000 },
    async () => {
      const client = artifacts();
      const content = contentOf(3 * MIB + 9, 10 + seedOf(name));
      const { uri } = await put(client, content);
      const session = open();
      const stalled = Array.from({ length: 16 }, () => stalledDownload(session, uri));
      await Promise.all(stalled.map((call) => once(call, "response")));
      const parts: Uint8Array[] = [];
      for await (const { message: said } of client.downloadArtifact({ uri }))
        if (said.case === "part") parts.push(said.value.data);
      expect(Buffer.concat(parts).equals(content)).toBe(true);

      const received: Buffer[] = [];
      const [one] = stalled;
      one?.on("data", (bytes: Buffer) => received.push(bytes));
      if (one !== undefined) await once(one, "end");
      expect(contentIn(Buffer.concat(received)).equals(content)).toBe(true);
      session.destroy();
    },
  );
});

test(
  "downloads beyond what one org may have open are refused, until some have ended",
  { timeout: 60_000 },
  async () => {
    const client = artifacts();
    const { uri } = await put(client, contentOf(4 * CHUNK, 60));
    const session = connect(`http://${server.grpcUrl}`);
    const stalled = Array.from({ length: TRANSFER_LIMITS.downloadsPerOrg }, () => stalledDownload(session, uri));
    await Promise.all(stalled.map((call) => once(call, "response")));
    const read = async (): Promise<number> => {
      let got = 0;
      for await (const { message } of client.downloadArtifact({ uri }))
        if (message.case === "part") got += message.value.data.length;
      return got;
    };
    expect((await refused(read())).refusal).toMatchObject({
      reason: RefusalReason.OVERLOADED,
      metadata: { limit: String(TRANSFER_LIMITS.downloadsPerOrg) },
    });
    session.destroy();
    let got = 0;
    while (got === 0) got = await read().catch(() => 0);
    expect(got).toBe(4 * CHUNK);
  },
);

/** The content in the frames of a download. */
function contentIn(frames: Buffer): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < frames.length;) {
    const length = frames.readUInt32BE(at + 1);
    const { message } = fromBinary(DownloadArtifactResponseSchema, frames.subarray(at + 5, at + 5 + length));
    if (message.case === "part") parts.push(message.value.data);
    at += 5 + length;
  }
  return Buffer.concat(parts);
}
