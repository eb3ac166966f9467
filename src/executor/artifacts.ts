// Puts content into Maestro and gets it back, through breaks and restarts of the server. Not here: which artifacts an attempt names.
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import type { Artifact as WireArtifact, Upload } from "../../gen/maestro/v1/artifact_pb.ts";
import type { Random } from "../support/random.ts";
import { Backoff } from "./backoff.ts";
import { Calls } from "./calls.ts";
import { contentOf } from "./content.ts";
import type { Content } from "./content.ts";
import { RefusedByServer } from "./errors.ts";
import { finalRefusal } from "./wire.ts";
import type { Address } from "./wire.ts";

/** Content: all of it, or as it comes, such as a file's stream. */
export type ArtifactSource = Uint8Array | AsyncIterable<Uint8Array>;

export interface ArtifactAbout {
  /** Name under which other steps consume it; with one, the attempt names the artifact, as `artifact` would. */
  readonly name?: string;
  /** Media type; `application/octet-stream` unless given. */
  readonly contentType?: string;
}

/** Content that Maestro keeps. */
export interface StoredArtifact {
  /** `max://artifact/sha256:…`. */
  readonly uri: string;
  /** `sha256:…`. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly contentType: string;
}

export interface ArtifactRange {
  /** Where to begin; 0 unless given. */
  readonly offset?: number;
  /** Most bytes; all up to the end unless given. */
  readonly length?: number;
}

/** What attempts use of a server's artifacts. */
export interface ArtifactAccess {
  put(source: ArtifactSource, about: ArtifactAbout, signal: AbortSignal): Promise<StoredArtifact>;
  get(uri: string, range: ArtifactRange, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** The largest that there are: a call costs the server as much as some 400 KiB of its bytes. */
const CHUNK_BYTES = 1_048_576;

/** An upload that was ended meanwhile, by a twin of the attempt or by time, is begun anew this often. */
const ROUNDS = 10;

export class Artifacts implements ArtifactAccess {
  readonly #calls: Calls;
  readonly #random: Random;

  constructor(address: Address, apiKey: string | undefined, random: Random) {
    this.#calls = new Calls(address, apiKey);
    this.#random = random;
  }

  /** No more calls; what is under way is cut off. */
  end(): void {
    this.#calls.close();
  }

  async put(source: ArtifactSource, about: ArtifactAbout, signal: AbortSignal): Promise<StoredArtifact> {
    const content = await contentOf(source, signal);
    try {
      for (let round = 1; ; round++) {
        const done = await this.#upload(content, about, signal).catch((error: unknown) => {
          if (round === ROUNDS || !wasOvertaken(error)) throw error;
          return undefined;
        });
        if (done !== undefined) return storedOf(done);
      }
    } finally {
      await content.end();
    }
  }

  /** Begins the upload, or takes it up, sends what is missing, and finishes it; undefined when more was missing than was named. */
  async #upload(content: Content, about: ArtifactAbout, signal: AbortSignal): Promise<WireArtifact | undefined> {
    const { method } = ArtifactService;
    const { digest, sizeBytes } = content;
    const { name = "", contentType = "" } = about;
    const request = { digest, sizeBytes: BigInt(sizeBytes), name, contentType, chunkBytes: CHUNK_BYTES };
    const { result } = await this.#persist(signal, () => this.#calls.unary(method.beginUpload, request, signal));
    if (result.case === "artifact") return result.value;
    if (result.case === undefined) throw new Error("the server began no upload");
    const { uploadId } = result.value;
    // One after the other: the server verifies what comes in order on the way.
    for (const offset of offsetsOf(result.value)) {
      const data = await content.read(offset, Math.min(result.value.chunkBytes, sizeBytes - offset));
      const chunk = { uploadId, offset: BigInt(offset), data };
      await this.#persist(signal, () => this.#calls.unary(method.uploadChunk, chunk, signal));
    }
    // Under a key: an answer that was lost is given again.
    const finish = { uploadId, idempotencyKey: `finish ${uploadId}` };
    const { artifact } = await this.#persist(signal, () => this.#calls.unary(method.finishUpload, finish, signal));
    return artifact;
  }

  async *get(uri: string, range: ArtifactRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { offset = 0, length } = range;
    if (length === 0) return;
    const backoff = new Backoff(this.#random);
    const hash = createHash("sha256");
    let at = offset;
    for (let end = Infinity; at < end;) {
      const rest = length === undefined ? 0 : offset + length - at;
      const request = { uri, offset: BigInt(at), length: BigInt(rest) };
      try {
        for await (const { message } of this.#calls.stream(ArtifactService.method.downloadArtifact, request, signal)) {
          if (message.case === "artifact") {
            const size = Number(message.value.sizeBytes);
            end = length === undefined ? size : Math.min(size, offset + length);
          } else if (message.case === "part") {
            const { data } = message.value;
            hash.update(data);
            at += data.length;
            backoff.reset();
            yield data;
          }
        }
      } catch (error) {
        await this.#after(error, backoff, signal);
      }
    }
    const whole = offset === 0 && length === undefined;
    if (whole && !uri.endsWith(hash.digest("hex"))) throw new Error(`the content of ${uri} does not have its digest`);
  }

  /** Until it is answered: a server that is away is waited for. What it refuses for good is thrown. */
  async #persist<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    const backoff = new Backoff(this.#random);
    for (;;) {
      try {
        return await call();
      } catch (error) {
        await this.#after(error, backoff, signal);
      }
    }
  }

  async #after(error: unknown, backoff: Backoff, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const final = finalRefusal(error);
    if (final !== undefined) throw final;
    await delay(backoff.nextMs(), undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** The upload is not what it was when it was begun; begun again it says how it is. */
function wasOvertaken(error: unknown): boolean {
  return error instanceof RefusedByServer && (error.reason === "NOT_FOUND" || error.reason === "STATE_CONFLICT");
}

function* offsetsOf({ missing, chunkBytes }: Upload): Generator<number> {
  for (const { offset, sizeBytes } of missing)
    for (let at = Number(offset); at < Number(offset + sizeBytes); at += chunkBytes) yield at;
}

function storedOf({ uri, digest, sizeBytes, contentType }: WireArtifact): StoredArtifact {
  return { uri, digest, sizeBytes: Number(sizeBytes), contentType };
}
