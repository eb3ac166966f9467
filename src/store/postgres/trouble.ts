// What can go wrong between us and the database, as typed errors without the database's own words.
// Not here: refusals, which are the domain's, and retrying, see transaction.ts.
import { DrizzleQueryError } from "drizzle-orm";
import { BatchContendedError, BatchKeyTakenError, BatchRejectedError } from "../ports/batches.ts";
import { CommitUnknownError, StoreFullError, StoreUnavailableError } from "../ports/store.ts";

/** The database refused a statement. Names of constraints are ours, so they may be said; its message may quote data. */
export class StatementError extends Error {
  override readonly name = "StatementError";
  /** SQLSTATE. */
  readonly code: string;
  readonly constraint: string;
  constructor(code: string, constraint: string) {
    super(`the database refused a statement (${code}${constraint === "" ? "" : `, ${constraint}`})`);
    this.code = code;
    this.constraint = constraint;
  }
}

// The driver's own codes, and the system's for sockets that cannot be opened, trusted, or kept.
const lost =
  /^(CONNECTION_|CONNECT_TIMEOUT$|ECONN|EPIPE$|ETIMEDOUT$|EHOST|ENET|ENOTFOUND$|EAI_|ENOENT$|EACCES$|ECANCELED$|ERR_SOCKET|ERR_STREAM|ERR_TLS|CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED)/;
// 08 connection trouble, 57P shutdown and start, 25P03 the server ended an idle transaction.
const ended = /^(08...|57P0.|25P03)$/;
// 53 out of memory, disk or connections; 58 the server's own I/O; 57014 took longer than it may; 28 and 3D no login.
const away = /^(53...|58...|57014|28...|3D000)$/;
const passing = new Set(["40001", "40P01"]);

/** The driver's error below what the query builder wraps around it: the wrapper repeats statement and parameters. */
function root(error: unknown): unknown {
  return error instanceof DrizzleQueryError && error.cause !== undefined ? error.cause : error;
}

/** SQLSTATE or system code; empty for errors that are neither the driver's nor the system's. */
function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** The connection broke: nothing more is known than what was answered before. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(root(error));
  return lost.test(code) || ended.test(code);
}

/** Deadlock or serialization failure: the same transaction may well succeed when it is tried again. */
export function isPassing(error: unknown): boolean {
  return passing.has(codeOf(root(error)));
}

/** It waited for a lock as long as it may. Not tried again: the connection is better used by somebody else. */
export function isLockTimeout(error: unknown): boolean {
  return codeOf(root(error)) === "55P03";
}

/** What the store throws instead of a driver's error. Other errors come back as they are. */
export function toStoreTrouble(error: unknown): Error {
  const found = root(error);
  if (!(found instanceof Error)) return new Error("something was thrown that is no error");
  const typed = [StoreUnavailableError, CommitUnknownError, BatchRejectedError, StatementError];
  if (typed.some((kind) => found instanceof kind)) return found;
  const code = codeOf(found);
  if (lost.test(code) || ended.test(code)) return new StoreUnavailableError(`the database is away (${code})`);
  if (code === "53100") return new StoreFullError("the database's disk is full (53100)");
  if (away.test(code)) return new StoreUnavailableError(`the database cannot serve (${code})`);
  if (!/^[0-9A-Z]{5}$/.test(code)) return found;
  const constraint =
    "constraint_name" in found && typeof found.constraint_name === "string" ? found.constraint_name : "";
  return new StatementError(code, constraint);
}

/** The same for a batch: data that the database does not take (SQLSTATE 22 and 23) rejects it, others' locks put it off. */
export function toBatchTrouble(error: unknown): Error {
  const trouble = toStoreTrouble(error);
  if (!(trouble instanceof StatementError)) return trouble;
  // Whoever holds the plan is no fault of any item: the batch is put off, and nothing in it is taken for poison.
  if (passing.has(trouble.code) || isLockTimeout(trouble)) return new BatchContendedError(trouble.message);
  if (trouble.code === "23505" && trouble.constraint === "idempotency_keys_pkey")
    return new BatchKeyTakenError(trouble.message);
  return /^2[23]/.test(trouble.code) ? new BatchRejectedError(trouble.message) : trouble;
}
