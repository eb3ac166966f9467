// Refusals for people: why, what is wrong where, what would help, who can lift it, and where it is recorded.
import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { LifterSchema, RefusalReasonSchema, RefusalSchema, StageSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import type { Refusal } from "../../gen/maestro/v1/refusal_pb.ts";
import { RefusedByServer } from "../executor/executor.ts";
import { FAILED, UNREACHABLE } from "./io.ts";
import { harmless } from "./table.ts";
import type { Trouble } from "./trouble.ts";
import { msOf, spanText, word } from "./words.ts";

/** The refusal that a failed call carries, if it carries one. */
export function refusalOf(error: unknown): Refusal | undefined {
  return error instanceof ConnectError ? error.findDetails(RefusalSchema)[0] : undefined;
}

/** The reason's word, such as `STATE_CONFLICT`. */
export function reasonOf(error: unknown): string | undefined {
  const refusal = refusalOf(error);
  return refusal === undefined ? undefined : word(RefusalReasonSchema, refusal.reason);
}

export function describeRefusal(refusal: Refusal): string {
  const { explanation, violations, remedy, recordUri, rule, metadata } = refusal;
  const facts = Object.entries(metadata).map(([name, value]) => `${name}=${value}`);
  const lines = [
    `refused: ${word(RefusalReasonSchema, refusal.reason)} — ${explanation}`,
    ...violations.map(({ field, description }) => `  ${field}: ${description}`),
    ...(facts.length > 0 ? [`  evidence: ${facts.join(", ")}`] : []),
    ...(remedy === "" ? [] : [`  what would help: ${remedy}`]),
    `  decided by: ${word(StageSchema, refusal.stage).toLowerCase()}${rule === "" ? "" : `, rule ${rule}`}; can be lifted by: ${word(LifterSchema, refusal.lifter).toLowerCase().replaceAll("_", " ")}`,
    ...(refusal.retryable
      ? [
          `  the same may be tried again${refusal.retryAfter === undefined ? "" : ` after ${spanText(msOf(refusal.retryAfter))}`}`,
        ]
      : []),
    ...(recordUri === "" ? [] : [`  record: ${recordUri}`]),
  ];
  return lines.map(harmless).join("\n");
}

/** Any failed call in words. */
export function describeError(error: unknown, url: string): string {
  const refusal = refusalOf(error);
  if (refusal !== undefined) return describeRefusal(refusal);
  if (!(error instanceof ConnectError)) return error instanceof Error ? error.message : String(error);
  if (isBrokenOff(error))
    return `${url} broke off in the midst of its answer: it was stopped, or the way to it is cut\n  try it again, or see whether it runs with \`maestro doctor\``;
  if (isUnanswered(error)) {
    return `no server answers at ${url}: ${harmless(error.rawMessage)}\n  start one with \`maestro serve\`, or name another with --server or MAESTRO_URL`;
  }
  return `${Code[error.code]}: ${harmless(error.rawMessage)}`;
}

/** Anything that was thrown by a command that asked `url`. */
export function troubleOf(error: unknown, url: string): Trouble {
  if (error instanceof RefusedByServer) {
    const { message, remedy, reason } = error;
    const help = remedy === "" ? "" : `\n  what would help: ${remedy}`;
    return { reason, exitCode: FAILED, message: `the server refused this executor: ${message}${help}` };
  }
  const message = describeError(error, url);
  if (isUnanswered(error) || isBrokenOff(error)) return { reason: "UNREACHABLE", exitCode: UNREACHABLE, message };
  const found = refusalOf(error);
  if (found === undefined) return { reason: wordOf(error), exitCode: FAILED, message };
  const refusal = toJson(RefusalSchema, found, { useProtoFieldName: true });
  return { reason: word(RefusalReasonSchema, found.reason), exitCode: FAILED, message, refusal };
}

/** Trouble of a store or an engine has a word of its own, and so has a call that no refusal came with. */
function wordOf(error: unknown): string {
  if (error instanceof ConnectError) return Code[error.code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
  if (error instanceof Error && "reason" in error && typeof error.reason === "string")
    return error.reason.replaceAll("-", "_").toUpperCase();
  return "FAILED";
}

/** Whether no server answered at all. */
function isUnanswered(error: unknown): boolean {
  if (!(error instanceof ConnectError) || refusalOf(error) !== undefined) return false;
  return error.code === Code.Unavailable || isConnectionTrouble(error);
}

/** The stream was ended by the other side's end: whoever calls off a call here has a signal of their own. */
function isBrokenOff(error: unknown): boolean {
  return error instanceof ConnectError && refusalOf(error) === undefined && BROKEN_OFF.test(error.rawMessage);
}
const BROKEN_OFF =
  /^(http\/2 stream closed with error code (CANCEL|INTERNAL_ERROR)\b|protocol error: (missing status|incomplete envelope|promised \d+ bytes)\b)/;

function isConnectionTrouble(error: ConnectError): boolean {
  return (
    error.cause instanceof Error &&
    "code" in error.cause &&
    typeof error.cause.code === "string" &&
    /^E[A-Z]+$/.test(error.cause.code)
  );
}
