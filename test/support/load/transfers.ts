// Content that goes into the server and comes out of it, as fast as it takes it. Not here: how long that takes, see the benchmark.
import { createHash, randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ArtifactService } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import type { NativeClient } from "./client.ts";

const MIB = 1_048_576;

/** Content made of one block that is stamped anew for every megabyte: all of it at once would be the client's memory. */
export interface Content {
  readonly digest: string;
  readonly sizeBytes: number;
  chunk(offset: number, length: number): Buffer;
}

export async function makeContent(mib: number): Promise<Content> {
  const block = randomBytes(MIB);
  const chunk = (offset: number, length: number): Buffer => {
    const from = offset % MIB;
    const bytes = Buffer.from(block.subarray(from, from + length));
    bytes.writeDoubleLE(offset, 0);
    return bytes;
  };
  const hash = createHash("sha256");
  const sizeBytes = mib * MIB;
  for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES) {
    hash.update(chunk(offset, CHUNK_BYTES));
    await nextTurn();
  }
  return { digest: `sha256:${hash.digest("hex")}`, sizeBytes, chunk };
}

/** As the executor library has it. */
const CHUNK_BYTES = MIB;

export async function upload(client: NativeClient, content: Content): Promise<void> {
  const { method } = ArtifactService;
  const { digest, sizeBytes } = content;
  const { result } = await client.call(method.beginUpload, {
    digest,
    sizeBytes: BigInt(sizeBytes),
    chunkBytes: CHUNK_BYTES,
  });
  if (result.case !== "upload") throw new Error("there was nothing to send");
  const { uploadId } = result.value;
  for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES)
    await client.call(method.uploadChunk, {
      uploadId,
      offset: BigInt(offset),
      data: content.chunk(offset, CHUNK_BYTES),
    });
  await client.call(method.finishUpload, { uploadId });
}

export async function download(client: NativeClient, { digest, sizeBytes }: Content): Promise<void> {
  let got = 0;
  await client.read(ArtifactService.method.downloadArtifact, { uri: digest }, ({ message }) => {
    if (message.case === "part") got += message.value.data.length;
  });
  if (got !== sizeBytes) throw new Error(`${got} of ${sizeBytes} bytes came`);
}
