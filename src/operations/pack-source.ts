// What an exported pack is made of: where it is read from, and the moment that it tells of. Not here: making it, see pack-export.ts.
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import type { OrgId } from "../domain/id.ts";
import type { Run } from "../domain/run.ts";
import type { SigningKey } from "../domain/signing-key.ts";
import type { PartPlace } from "../store/ports/contents.ts";
import type { Tx } from "../store/ports/store.ts";

/** Where an export reads from: each read is a transaction of its own, and nothing is held in between. */
export interface PackSource {
  readonly orgId: OrgId;
  readonly read: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  /** A part of content; undefined when it is gone. */
  readonly part: (at: PartPlace) => Promise<Uint8Array | undefined>;
  readonly signal: AbortSignal;
}

/** What an export is of, as it was when it began. */
export interface PackMoment {
  readonly pack: DisclosurePack;
  readonly run: Run;
  readonly atMs: number;
  readonly keys: readonly SigningKey[];
  readonly key: SigningKey;
  /** Number of the last record; null for a run that has no plan. */
  readonly lastRecord: number | null;
}
