// What an executor is made from, and what it tells its owner. Not here: what it tells the server.
import { create } from "@bufbuild/protobuf";
import type { ExecutorSpec } from "../../gen/maestro/v1/executor_pb.ts";
import { ExecutorSpecSchema } from "../../gen/maestro/v1/executor_pb.ts";
import type { Clock } from "../support/clock.ts";
import type { Random } from "../support/random.ts";

export interface ExecutorOptions {
  /** The server: `http://host:port`, `https://host:port`, or `host:port` for plaintext. The fast lane, or the wide port. */
  readonly url: string;
  /** Unique in the org; the id stays with it. */
  readonly name: string;
  readonly apiKey?: string;
  /** How many steps it performs at once, 1 to 4096; 1 unless given. */
  readonly slots?: number;
  /** Labels that steps can ask for. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Its build, for people. */
  readonly buildId?: string;
  /** Signals of the process on which it drains; a second one ends what runs at once. `["SIGTERM"]` unless given. */
  readonly drainOn?: readonly `SIG${string}`[];
  /** Told about what happens, synchronously; for logs and displays. */
  readonly observe?: (event: ExecutorEvent) => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** What happens to an executor. `key` is a step's key, `fencing` the number of its lease. */
export type ExecutorEvent =
  | {
      readonly kind: "attached";
      readonly executorId: string;
      readonly orgId: string;
      readonly resumed: number;
      readonly lost: number;
    }
  | { readonly kind: "detached"; readonly reason: string; readonly retryInMs: number }
  | {
      readonly kind: "started" | "stopping" | "lost";
      readonly planId: string;
      readonly key: string;
      readonly fencing: bigint;
      readonly reason?: string;
    }
  | {
      readonly kind: "finished";
      readonly planId: string;
      readonly key: string;
      readonly fencing: bigint;
      readonly result: "success" | "failure" | "refusal" | "stopped" | "returned";
      readonly message: string;
    }
  | {
      readonly kind: "outcome refused";
      readonly planId: string;
      readonly key: string;
      readonly fencing: bigint;
      readonly reason: string;
    }
  | { readonly kind: "draining"; readonly reason: string }
  | { readonly kind: "closed" };

/** The spec of the hello. Throws a TypeError that lists every mistake. */
export function specOf(options: ExecutorOptions, capabilities: readonly string[]): ExecutorSpec {
  const { name, slots = 1, labels = {}, buildId = "" } = options;
  const mistakes = [
    ...(name === "" || Buffer.byteLength(name) > 128 ? ["name must have 1 to 128 bytes"] : []),
    ...(Number.isInteger(slots) && slots >= 1 && slots <= 4096 ? [] : ["slots must be a whole number from 1 to 4096"]),
    ...(capabilities.length === 0 ? ["no handler: register at least one with on(capability, handler)"] : []),
    ...(capabilities.length > 256 ? ["at most 256 capabilities"] : []),
  ];
  if (mistakes.length > 0) throw new TypeError(`This executor cannot start: ${mistakes.join("; ")}.`);
  return create(ExecutorSpecSchema, { name, slots, labels: { ...labels }, buildId, capabilities: [...capabilities] });
}
