// Whose rights Postgres runs with, and which paths those rights reach. Postgres refuses to run as root. Not here: starting anything.
import { readFile, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { EngineError, useAServer } from "./engine-error.ts";

/** An unprivileged account of this machine. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

// initdb looks its own user up, so the account must exist: a bare number is refused by it.
// An account made for us comes first; nobody, which other daemons may share, last.
const preferred = ["maestro", "postgres", "_postgres", "nobody"];

/**
 * The account Postgres must run as, or undefined for "as ourselves". Only root has to change: a new cluster gets the first
 * suitable account, an existing one keeps the account that owns it.
 */
export async function accountFor(cluster: string): Promise<Account | undefined> {
  const ownUid = process.geteuid?.();
  if (ownUid === undefined) return undefined;
  const owner = await stat(cluster).catch(() => undefined);
  if (ownUid !== 0) {
    if (owner === undefined || owner.uid === ownUid) return undefined;
    throw new EngineError(
      "folder-unusable",
      `The database in ${cluster} belongs to user ${owner.uid}, and this is user ${ownUid}; it was probably first used as root.`,
      "Run as the same user as before, or choose another folder with MAESTRO_DATA_DIR.",
    );
  }
  if (owner !== undefined && owner.uid !== 0) return { name: `user ${owner.uid}`, uid: owner.uid, gid: owner.gid };
  const accounts = parseAccounts(await readFile("/etc/passwd", "utf8").catch(() => ""));
  for (const name of preferred) {
    const account = accounts.find((candidate) => candidate.name === name);
    if (account !== undefined) return account;
  }
  throw new EngineError(
    "no-account",
    "Postgres refuses to run as root, and this machine has none of the accounts it could run as instead (maestro, postgres, nobody).",
    `Run Maestro as a normal user, add an account named maestro, or set DATABASE_URL.`,
  );
}

/** The accounts of a passwd file that are not root's. */
export function parseAccounts(passwd: string): readonly Account[] {
  return passwd.split("\n").flatMap((line) => {
    const [name = "", , uidText = "", gidText = ""] = line.split(":");
    const uid = Number(uidText);
    const gid = Number(gidText);
    // Negative ids (nobody on some systems) cannot be given to a child process.
    return name !== "" && uidText !== "" && uid > 0 && gid >= 0 ? [{ name, uid, gid }] : [];
  });
}

/** Whether the account can walk to `path` and enter it. Mode bits only: an access list that grants more costs a copy, no harm. */
export async function reaches(account: Account | undefined, path: string): Promise<boolean> {
  if (account === undefined) return true;
  for (let folder = await realpath(path); ; folder = dirname(folder)) {
    const { uid, gid, mode } = await stat(folder);
    const search = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & search) === 0) return false;
    if (dirname(folder) === folder) return true;
  }
}

/** The trouble of starting one of the packaged programs at all, as opposed to what it says once it runs. */
export function launchTrouble(
  program: string,
  account: Account | undefined,
  error: unknown,
  code: string,
): EngineError {
  if (account !== undefined && (code === "EPERM" || code === "EINVAL")) {
    return new EngineError(
      "no-account",
      `Postgres refuses to run as root, and this process may not become ${account.name} (${account.uid}).`,
      "Run Maestro as a normal user, or set DATABASE_URL.",
      error,
    );
  }
  return new EngineError(
    "unsupported-platform",
    `The packaged Postgres does not run on this machine (${program}: ${code === "" ? String(error) : code}).`,
    `It needs a file system that allows programs and, on Linux, glibc. ${useAServer}`,
    error,
  );
}
