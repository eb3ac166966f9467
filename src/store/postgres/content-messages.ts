// What the event loop and the thread of contents say to each other, and how trouble travels between them. Not here: who says it when.
import type { Upload } from "../../domain/artifact.ts";
import type { UploadId } from "../../domain/id.ts";
import type { ChunkPlace, PartPlace } from "../ports/contents.ts";
import { CommitUnknownError, StoreBusyError, StoreFullError, StoreUnavailableError } from "../ports/store.ts";

/** What the thread is told when it starts. */
export interface ContentThreadData {
  readonly url: string;
  readonly poolSize: number;
  readonly prepare: boolean;
  readonly lockMs: number;
  readonly applicationName: string;
}

export type Errand =
  | { readonly kind: "put"; readonly at: ChunkPlace; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly kind: "get"; readonly at: PartPlace }
  | { readonly kind: "digest"; readonly upload: Upload };

export type ToThread =
  | { readonly id: number; readonly errand: Errand }
  | { readonly id: number; readonly errand: "call off" }
  | { readonly forget: UploadId }
  | { readonly end: true };

export type FromThread =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly trouble: Trouble }
  | { readonly line: string };

const KINDS = {
  // The narrow kinds first: each is looked for in this order.
  full: StoreFullError,
  busy: StoreBusyError,
  away: StoreUnavailableError,
  unknown: CommitUnknownError,
} as const;

export interface Trouble {
  readonly kind: keyof typeof KINDS | "bug";
  readonly text: string;
}

export function troubleOf(error: unknown): Trouble {
  for (const [kind, type] of Object.entries(KINDS))
    if (error instanceof type) return { kind: kind as keyof typeof KINDS, text: error.message };
  return { kind: "bug", text: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

export function errorOf({ kind, text }: Trouble): Error {
  return kind === "bug" ? new Error(text) : new KINDS[kind](text);
}
