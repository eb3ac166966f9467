// The places that evidence is fetched from, as they are configured. Not here: what each of them is.
import { files } from "./file.ts";
import { web } from "./http.ts";
import { ownContent } from "./own.ts";
import type { OpenOwn } from "./own.ts";
import type { EvidenceSource } from "./port.ts";
import { s3Store } from "./s3.ts";
import type { S3Options } from "./s3.ts";

export interface EvidencePlaces {
  /** Folders. */
  readonly files: readonly string[];
  /** `host` or `host:port`. */
  readonly hosts: readonly string[];
  /** Null for none. */
  readonly s3: S3Options | null;
}

/** What is kept here is always among them. */
export function evidenceSources(
  open: OpenOwn,
  { files: folders, hosts, s3 }: EvidencePlaces,
): readonly EvidenceSource[] {
  return [ownContent(open), web(hosts), ...(s3 === null ? [] : [s3Store(s3)]), files(folders)];
}
