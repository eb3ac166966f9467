// What a handler is given: the step, and the context through which it speaks while it works.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { ArtifactAbout, ArtifactRange, ArtifactSource, StoredArtifact } from "./artifacts.ts";

export type { ArtifactAbout, ArtifactRange, ArtifactSource, StoredArtifact } from "./artifacts.ts";

/** Input or checkpoint that is not JSON: bytes with their media type, or the address of an artifact kept elsewhere. */
export type Value =
  JsonValue | { readonly contentType: string; readonly data: Uint8Array } | { readonly artifactUri: string };

/** One attempt of a step. */
export interface Step<Input = JsonValue> {
  /** The plan, `plan_…`. */
  readonly planId: string;
  /** Key of the step in its graph. */
  readonly key: string;
  /** What the step asks for; the name that the handler was registered under. */
  readonly capability: string;
  /** Input with all references resolved. Its shape is what the plan's author wrote: check it, or give the step an `input_schema`. */
  readonly input: Input;
  /** Org of the plan. */
  readonly orgId: string;
  /** Grows with every lease of the step; hand it to stores that can fence writers. */
  readonly fencing: bigint;
  /** W3C traceparent of the call that committed the plan; may be empty. */
  readonly traceparent: string;
}

/** Amounts of the four dimensions. Money is in millionths of the charter's currency, energy in joules. */
export interface Usage {
  readonly tokens?: number;
  readonly moneyMicros?: number;
  readonly energyJoules?: number;
  /** Milliseconds. Left out of what a handler reports, the library's own measurement counts. */
  readonly wallMs?: number;
}

/** What is left of the plan's budget; an absent dimension is not limited. */
export interface RemainingBudget extends Usage {
  /** ISO 4217, or empty when money is not limited. */
  readonly currency: string;
}

/** An artifact that the attempt made; steps that consume its name wait for it. */
export interface Artifact {
  readonly name: string;
  readonly uri: string;
  /** `algorithm:hex`. */
  readonly digest?: string;
  readonly sizeBytes?: number;
  readonly contentType?: string;
}

/** How a handler speaks while it works. Nothing but artifacts waits: lines, progress and checkpoints travel every two seconds at the latest. */
export interface StepContext {
  /** Whether the step is to be done, or its effect undone. */
  readonly purpose: "execute" | "compensate";
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** Stable across attempts: hand it to services that must not do the same thing twice. */
  readonly idempotencyKey: string;
  /** When the attempt's time is up, milliseconds since the epoch; undefined when it is not limited. */
  readonly deadlineMs: number | undefined;
  /** Fires when the attempt must end: stopped, out of time, lease lost. Its reason is an `Interruption`. */
  readonly signal: AbortSignal;
  /** What this attempt may use: its hold on the plan's budget. */
  readonly hold: Usage;
  /** What is left of the plan's budget beyond the hold, when the attempt was handed out. */
  readonly remainingBudget: RemainingBudget;
  /** The newest checkpoint of an earlier attempt. */
  readonly lastCheckpoint: Value | undefined;
  /** Writes a line, or several. Memory is bounded: when the server is away for long, the oldest lines go first, and that is said. */
  log(text: string, stream?: string): void;
  /** Share done, 0 to 1, and what is going on, in words. */
  progress(share: number, message?: string): void;
  /** State that a later attempt can go on from; JSON of at most 256 KiB. It is durable within some ten seconds. */
  checkpoint(value: JsonValue): void;
  /** Adds to what the attempt has used. Throws a RangeError on a negative or non-finite amount. */
  usage(used: Usage): void;
  /** Names an artifact that the attempt made; at most 64. */
  artifact(artifact: Artifact): void;
  /**
   * Has Maestro keep content too large to travel inline, and gives its address; the same content is kept once. With a name the
   * attempt names it as well. A server that is away is waited for; what it has is not sent again. A stream waits in a temporary
   * file first. Rejects with `RefusedByServer` (too large, beyond the org's quota), or with the signal's reason.
   */
  putArtifact(source: ArtifactSource, about?: ArtifactAbout): Promise<StoredArtifact>;
  /**
   * Content that Maestro keeps, as it comes; a break is gone on from where it was, and the digest is held against the whole of it.
   * Rejects with `RefusedByServer` when there is none.
   */
  getArtifact(uri: string, range?: ArtifactRange): AsyncIterable<Uint8Array>;
}

/** Does the work. What it returns is the outputs that other steps refer to: a JSON object of at most 256 KiB, or nothing. */
export type Handler<Input = JsonValue> = (
  step: Step<Input>,
  context: StepContext,
) => JsonObject | void | Promise<JsonObject | void>;
