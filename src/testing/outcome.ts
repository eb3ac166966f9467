// What an attempt came to, in the words of tests; builders of such outcomes, and handlers that come to them. Not here: how a
// handler is run, see handler.ts.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Outcome } from "../../gen/maestro/v1/dispatch_pb.ts";
import { ErrorClassSchema } from "../../gen/maestro/v1/step_pb.ts";
import { word } from "../cli/words.ts";
import { usageOf, valueOf } from "../executor/convert.ts";
import { PermanentError, Refuse, TransientError } from "../executor/errors.ts";
import type { FailureDetails } from "../executor/errors.ts";
import type { Artifact, Handler, StepContext, Usage } from "../executor/step.ts";

/** Classes of failures, as retries know them. */
export type ErrorClassName = "TRANSIENT" | "PERMANENT" | "TIMEOUT" | "LOST" | "CANCELLED" | "EXPRESSION" | "SCHEMA";

/** What a handler told on its way, in the order in which it did. */
export interface Told {
  readonly lines: readonly { readonly stream: string; readonly text: string }[];
  readonly progress: readonly { readonly share: number; readonly message: string }[];
  readonly checkpoints: readonly JsonValue[];
}

/**
 * The result itself. `stopped` answers a server that wanted the attempt stopped; `lost` says that the lease was gone: the library
 * reports nothing then, and the step is run again elsewhere.
 */
export type HandlerResult =
  | { readonly result: "success"; readonly outputs: JsonObject | undefined }
  | {
      readonly result: "failure";
      readonly errorClass: ErrorClassName;
      readonly message: string;
      readonly details: FailureDetails;
    }
  | { readonly result: "refusal"; readonly explanation: string; readonly rule: string }
  | { readonly result: "stopped" | "lost"; readonly message: string };

/** What would be reported of an attempt. */
export type HandlerOutcome = HandlerResult &
  Kept & { readonly usage: Required<Usage>; readonly artifacts: readonly Artifact[] };

/** What is left of a handler besides its result. */
export type Kept = Told & {
  /** What it put with `putArtifact`, by address. */
  readonly contents: ReadonlyMap<string, Uint8Array>;
};

export function outcomeOf({ result, usage, artifacts }: Outcome, lost: boolean, told: Kept): HandlerOutcome {
  const common = {
    ...told,
    usage: { tokens: 0, moneyMicros: 0, energyJoules: 0, wallMs: 0, ...usageOf(usage) },
    artifacts: artifacts.map(({ name, uri, digest, sizeBytes, contentType }) => ({
      name,
      uri,
      digest,
      sizeBytes: Number(sizeBytes),
      contentType,
    })),
  };
  switch (result.case) {
    case "success": {
      if (lost) return { ...common, result: "lost", message: "" };
      return { ...common, result: "success", outputs: valueOf(result.value.outputs) as JsonObject | undefined };
    }
    case "refusal": {
      const { explanation, rule } = result.value;
      if (lost) return { ...common, result: "lost", message: explanation };
      return { ...common, result: "refusal", explanation, rule };
    }
    case "failure": {
      const { errorClass, message, detailsJson } = result.value;
      if (lost) return { ...common, result: "lost", message };
      const details = JSON.parse(detailsJson) as FailureDetails;
      return {
        ...common,
        result: "failure",
        errorClass: word(ErrorClassSchema, errorClass) as ErrorClassName,
        message,
        details,
      };
    }
    case "stopped":
      return { ...common, result: lost ? "lost" : "stopped", message: result.value.message };
    case "returned":
    case undefined:
      throw new Error(`a handler cannot come to ${result.case ?? "nothing"}`);
  }
}

/** One attempt of a scripted handler. */
export type Scripted = (context: StepContext) => JsonObject | void | Promise<JsonObject | void>;

/** What attempts come to, one by one. Each may be given what it used. */
export const outcomes = {
  success: (outputs?: JsonObject, usage?: Usage): Scripted => {
    return (context) => {
      use(context, usage);
      return outputs;
    };
  },
  /** May pass when tried again. */
  transient: (message = "it failed, and may pass", details: FailureDetails = {}, usage?: Usage): Scripted => {
    return (context) => {
      use(context, usage);
      throw new TransientError(message, details);
    };
  },
  /** Will not pass when tried again. */
  permanent: (message = "it failed for good", details: FailureDetails = {}, usage?: Usage): Scripted => {
    return (context) => {
      use(context, usage);
      throw new PermanentError(message, details);
    };
  },
  refusal: (explanation = "no", rule = ""): Scripted => {
    return () => {
      throw new Refuse(explanation, rule);
    };
  },
  /** Never ends by itself: it waits to be stopped, or for its time to be up. */
  hang: (): Scripted => {
    return async ({ signal }) => {
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      throw signal.reason;
    };
  },
} as const;

/**
 * A handler whose attempts of each step come to these, one after the other; the last one stands for all further attempts.
 * Without any, every attempt succeeds. It remembers by plan and step, not by the server's count: a step that is retried by an
 * operator goes on in the script.
 */
export function scripted(...script: readonly Scripted[]): Handler {
  const begun = new Map<string, number>();
  return (step, context) => {
    const name = `${step.planId}/${step.key}/${context.purpose}`;
    const at = begun.get(name) ?? 0;
    begun.set(name, at + 1);
    const next = script[Math.min(at, script.length - 1)] ?? outcomes.success();
    return next(context);
  };
}

function use(context: StepContext, usage: Usage | undefined): void {
  if (usage !== undefined) context.usage(usage);
}
