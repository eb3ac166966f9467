// Large artifacts through a server of its own: what it and the library take of memory and time, and what a killed server loses
// (nothing that it took). Not here: what the service refuses, see the wire tests.
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { Artifacts } from "../../src/executor/artifacts.ts";
import { parseAddress } from "../../src/executor/wire.ts";
import { systemRandom } from "../../src/support/random.ts";
import { contentOf, digestOf, sendMissing, uploadOf } from "../support/artifacts.ts";
import { asAdmin, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startServer } from "../support/server-process.ts";
import type { ServerProcess } from "../support/server-process.ts";

const MIB = 1024 * 1024;
const LARGE = 64 * MIB;
const preload = fileURLToPath(new URL("../bench/probe.ts", import.meta.url));
const quiet = new AbortController().signal;

let database: TestDatabase;
let server: ServerProcess;
let artifacts: Artifacts;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url, preload });
  artifacts = new Artifacts(parseAddress(server.target), undefined, systemRandom());
}, 60_000);
afterAll(async () => {
  artifacts.end();
  await server.stop();
  await database.drop();
});

/** A megabyte at a time, each another one. */
async function* stream(sizeBytes: number, seed: number): AsyncGenerator<Buffer> {
  const block = contentOf(MIB, seed);
  for (let at = 0; at < sizeBytes; at += MIB) {
    block.writeUInt32LE(at, 0);
    yield block.subarray(0, Math.min(MIB, sizeBytes - at));
  }
}

async function digestOfStream(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of source) hash.update(bytes);
  return `sha256:${hash.digest("hex")}`;
}

const resident = (): number => process.memoryUsage.rss() / MIB;

test(
  "of 64 MiB that go in and come out, neither server nor client ever has more than a part",
  { timeout: 120_000 },
  async () => {
    // What everything takes once, whatever its size.
    for (const seed of [101, 102]) {
      const small = await artifacts.put(stream(8 * MIB, seed), {}, quiet);
      await digestOfStream(artifacts.get(small.uri, {}, quiet));
    }
    const [before, own] = [(await server.probe()).rssMb, resident()];
    const { uri, digest, sizeBytes } = await artifacts.put(stream(LARGE, 1), {}, quiet);
    const grown = [(await server.probe()).rssMb - before, resident() - own];
    expect([sizeBytes, digest]).toEqual([LARGE, await digestOfStream(stream(LARGE, 1))]);
    expect(await digestOfStream(artifacts.get(uri, {}, quiet))).toBe(digest);
    grown.push((await server.probe()).rssMb - before, resident() - own);
    // Held whole it would be 64 MiB of bytes, and 128 more as the text that a statement carries. Some 40 are seen.
    expect(Math.max(...grown)).toBeLessThan(96);
  },
);

async function rowsOf(text: string): Promise<number> {
  return asAdmin(database.adminUrl, async (sql) => (await sql.unsafe<{ n: number }[]>(text))[0]?.n ?? 0);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function killAndRestart(): Promise<void> {
  const { ports } = server;
  await server.kill();
  server = await startServer({ databaseUrl: database.url, preload, ports });
}

test("an upload goes on where it was when its server was killed, twice", { timeout: 120_000 }, async () => {
  const begun = "SELECT count(*)::int AS n FROM maestro.journal WHERE kind = 'artifact.begin_upload'";
  const taken =
    "SELECT count(*)::int AS n FROM maestro.artifact_chunks JOIN maestro.artifact_uploads ON content_id = upload_id";
  const before = await rowsOf(begun);
  const sent = artifacts.put(stream(12 * MIB, 3), { name: "survivor" }, quiet);
  await until(async () => (await rowsOf(taken)) >= 5);
  await killAndRestart();
  const kept = await rowsOf(taken);
  expect(kept).toBeGreaterThanOrEqual(5);
  await until(async () => (await rowsOf(taken)) >= Math.min(kept + 3, 11));
  await killAndRestart();
  const { uri, digest } = await sent;
  expect(digest).toBe(await digestOfStream(stream(12 * MIB, 3)));
  expect(await rowsOf(begun)).toBe(before + 1);
  expect(await digestOfStream(artifacts.get(uri, {}, quiet))).toBe(digest);
});

test("a download goes on where it was when its server was killed", { timeout: 120_000 }, async () => {
  const content = contentOf(8 * MIB + 3, 4);
  const { uri } = await artifacts.put(content, {}, quiet);
  const parts: Uint8Array[] = [];
  for await (const part of artifacts.get(uri, {}, quiet)) {
    parts.push(part);
    if (parts.length === 5) await killAndRestart();
  }
  expect(Buffer.concat(parts).equals(content)).toBe(true);
  const some: Uint8Array[] = [];
  for await (const part of artifacts.get(uri, { offset: 1_000_000, length: 500_000 }, quiet)) some.push(part);
  expect(Buffer.concat(some).equals(content.subarray(1_000_000, 1_500_000))).toBe(true);
});

test("chunks that another server took are verified when the upload is finished", async () => {
  const client = createClient(ArtifactService, createGrpcTransport({ baseUrl: `http://${server.target}` }));
  const content = contentOf(MIB + 17, 5);
  const request = { digest: digestOf(content), sizeBytes: BigInt(content.length) };
  const upload = uploadOf(await client.beginUpload(request));
  await sendMissing(client, upload, content);
  await killAndRestart();
  expect((await client.finishUpload({ uploadId: upload.uploadId })).artifact?.digest).toBe(request.digest);
});
