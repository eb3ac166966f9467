// Content of artifacts while a handler runs without a server: kept in memory, by address. Not here: how a server keeps it.
import type {
  ArtifactAbout,
  ArtifactAccess,
  ArtifactRange,
  ArtifactSource,
  StoredArtifact,
} from "../executor/artifacts.ts";
import { contentOf } from "../executor/content.ts";
import { RefusedByServer } from "../executor/errors.ts";

export class Contents implements ArtifactAccess {
  /** What was put, by its address. */
  readonly kept: Map<string, Uint8Array> = new Map();
  readonly #given: ReadonlyMap<string, Uint8Array>;

  /** `given` is what is there to get, by address; texts are UTF-8. */
  constructor(given: Readonly<Record<string, Uint8Array | string>>) {
    const encoder = new TextEncoder();
    this.#given = new Map(
      Object.entries(given).map(([uri, content]) => [
        uri,
        typeof content === "string" ? encoder.encode(content) : content,
      ]),
    );
  }

  async put(source: ArtifactSource, { contentType }: ArtifactAbout, signal: AbortSignal): Promise<StoredArtifact> {
    const content = await contentOf(source, signal);
    try {
      const { digest, sizeBytes } = content;
      const uri = `max://artifact/${digest}`;
      // A copy: whoever put it may use its buffer again.
      this.kept.set(uri, Uint8Array.from(await content.read(0, sizeBytes)));
      return { uri, digest, sizeBytes, contentType: contentType ?? "application/octet-stream" };
    } finally {
      await content.end();
    }
  }

  async *get(uri: string, { offset = 0, length }: ArtifactRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted();
    const content = this.kept.get(uri) ?? this.#given.get(uri);
    if (content === undefined) throw new RefusedByServer("NOT_FOUND", `there is no artifact ${uri}`);
    yield content.subarray(offset, length === undefined ? undefined : offset + length);
  }
}
