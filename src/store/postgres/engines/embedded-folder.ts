// The data folder: made, locked, its passwords kept. Not here: the cluster inside it, which is Postgres's.
import { readFileSync, writeFileSync } from "node:fs";
import { access, constants, mkdir, open, readFile, realpath, rename, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type * as SqliteTypes from "node:sqlite";
import { systemRandom } from "../../../support/random.ts";
import { EngineError, folderTrouble, systemCode } from "./engine-error.ts";

/** Makes the folder if need be and returns its real path. */
export async function openFolder(dataDir: string): Promise<string> {
  try {
    // As root, Postgres's account has to pass through; each file in it has its own, closed mode.
    await makeFolder(resolve(dataDir), process.geteuid?.() === 0 ? 0o711 : 0o700);
    if (!(await stat(dataDir)).isDirectory()) throw Object.assign(new Error("a file"), { code: "ENOTDIR" });
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
    const folder = await realpath(dataDir);
    // SQLite, which takes the lock, stops at 512.
    if (Buffer.byteLength(folder) > 490) throw Object.assign(new Error("too long"), { code: "ENAMETOOLONG" });
    return folder;
  } catch (error) {
    throw folderTrouble(resolve(dataDir), error);
  }
}

/** With all that leads to it. Node's own way never ends where a parent is there and nothing can be made in it, as below /proc. */
async function makeFolder(folder: string, mode: number): Promise<void> {
  const absent: string[] = [];
  for (let at = folder; !(await isThere(at)); at = dirname(at)) absent.push(at);
  for (const missing of absent.reverse()) {
    await mkdir(missing, { mode }).catch(async (error: unknown) => {
      // Another Maestro may have made it just now.
      if (systemCode(error) !== "EEXIST") throw error;
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: unknown) => systemCode(error) !== "ENOENT" || dirname(path) === path,
  );
}

type SqliteModule = typeof SqliteTypes;

export interface FolderLock {
  release(): void;
}

/**
 * One Maestro a folder. The lock is the operating system's own file lock, taken through SQLite because Node has no call for it: it
 * ends with the process however that ends, holds across containers of one machine, and no stale file can fake or break it.
 * The file must never be opened by anything else in this process: closing it there would drop the lock.
 */
export function lockFolder(folder: string): FolderLock {
  const sqlite = process.getBuiltinModule("node:sqlite") as SqliteModule | undefined;
  if (sqlite === undefined) {
    throw new EngineError(
      "unsupported-platform",
      "This Node has no node:sqlite, which locks the data folder.",
      "Use Node 22.13 or newer.",
    );
  }
  const owner = join(folder, "owner.json");
  let database: InstanceType<typeof sqlite.DatabaseSync> | undefined;
  try {
    database = new sqlite.DatabaseSync(join(folder, "lock"));
    database.exec("BEGIN EXCLUSIVE");
    writeFileSync(owner, `${JSON.stringify({ pid: process.pid })}\n`, { mode: 0o600 });
  } catch (error) {
    database?.close();
    const busy = typeof error === "object" && error !== null && "errcode" in error && error.errcode === 5;
    if (!busy) throw folderTrouble(folder, error);
    throw new EngineError(
      "folder-in-use",
      `The data folder ${folder} is in use by another Maestro (process ${ownerPid(owner)}).`,
      "Stop that one, or choose another folder with MAESTRO_DATA_DIR; several servers share a database through DATABASE_URL.",
    );
  }
  const held = database;
  return {
    release: () => {
      if (held.isOpen) held.close();
    },
  };
}

function ownerPid(owner: string): string {
  try {
    return String((JSON.parse(readFileSync(owner, "utf8")) as { pid: unknown }).pid);
  } catch {
    return "unknown";
  }
}

/** The generated passwords of the two logins. */
export interface Passwords {
  readonly admin: string;
  readonly app: string;
}

/** Reads the folder's passwords, or makes new ones (`fresh`), which the cluster then has to be told. */
export async function passwordsOf(folder: string): Promise<{ readonly passwords: Passwords; readonly fresh: boolean }> {
  const path = join(folder, "passwords.json");
  try {
    const { admin, app } = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    if (typeof admin === "string" && typeof app === "string") return { passwords: { admin, app }, fresh: false };
  } catch {
    // Absent or damaged: the cluster takes new ones.
  }
  const random = systemRandom();
  const passwords = {
    admin: Buffer.from(random.bytes(24)).toString("base64url"),
    app: Buffer.from(random.bytes(24)).toString("base64url"),
  };
  return { passwords, fresh: true };
}

/** Keeps the passwords, readable by this user only. Done after the cluster knows them, so that a kill in between repeats the telling. */
export async function keepPasswords(folder: string, passwords: Passwords): Promise<void> {
  const path = join(folder, "passwords.json");
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(passwords)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(dirname(path));
}

/** Makes renames in a folder survive a power cut. Windows has no such call and needs none. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
