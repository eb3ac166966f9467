// The one error both engines throw: why no database could be had, and what to do about it. Not here: the SQL errors of a running database.

/** Why an engine could not be had. Stable words, for tests and for the process's exit message. */
export type EngineErrorReason =
  | "unsupported-platform"
  | "package-missing"
  | "no-account"
  | "folder-unusable"
  | "folder-in-use"
  | "disk-full"
  | "major-mismatch"
  | "bad-setting"
  | "start-failed"
  | "bad-url"
  | "unreachable"
  | "login-refused"
  | "too-old"
  | "superuser"
  | "bypass-rls";

/** Trouble with an engine. `message` is one sentence for people and already contains the remedy. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly reason: EngineErrorReason;
  readonly remedy: string;

  constructor(reason: EngineErrorReason, what: string, remedy: string, cause?: unknown) {
    super(`${what} ${remedy}`, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.remedy = remedy;
  }
}

/** The remedy that always exists: somebody else's Postgres. */
export const useAServer = "Set DATABASE_URL to a Postgres server, version 15 or newer.";

/** The code of a system error ("ENOENT"), or "" for anything else. */
export function systemCode(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** Names the trouble of a file operation in the data folder. */
export function folderTrouble(path: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const code = systemCode(error);
  if (code === "ENOSPC" || code === "EDQUOT") return diskFull(path);
  const why =
    code === "EACCES" || code === "EPERM"
      ? "this user may not write there"
      : code === "EROFS"
        ? "it is on a read-only file system"
        : code === "ENOTDIR" || code === "EEXIST"
          ? "a part of that path is a file"
          : code === "ENAMETOOLONG"
            ? "the path is too long for this system"
            : code === "ENOENT"
              ? "no folder can be made there"
              : `the system says ${code === "" ? String(error) : code}`;
  return new EngineError(
    "folder-unusable",
    `The data folder ${path} cannot be used: ${why}.`,
    "Choose another with MAESTRO_DATA_DIR, correct its permissions, or set DATABASE_URL.",
    error,
  );
}

/** No room left where the data folder is. */
export function diskFull(path: string): EngineError {
  return new EngineError(
    "disk-full",
    `The disk that holds the data folder ${path} is full.`,
    "Free some space, or choose another folder with MAESTRO_DATA_DIR.",
  );
}
