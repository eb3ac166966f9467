// Examines what the embedded engine needs: programs, account, folder, space, and what an earlier life left behind. Starts and
// changes nothing. Not here: what is in the database.
import { execFile } from "node:child_process";
import { access, constants, readdir, stat, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Finding } from "../../../support/finding.ts";
import { fail, ok, warn } from "../../../support/finding.ts";
import { accountFor } from "../engines/embedded-account.ts";
import { findPackage, packageName } from "../engines/embedded-binaries.ts";
import { packagedMajor, programEnvironment } from "../engines/embedded-cluster.ts";
import type { FolderLook } from "../engines/embedded-look.ts";
import { EngineError, systemCode, useAServer } from "../engines/engine-error.ts";

export interface EngineSurroundings {
  readonly dataDir: string;
  readonly look: FolderLook;
  /** The system and processor that programs are looked for; this one's unless set. */
  readonly platform?: string;
  readonly arch?: string;
  /** Free space below which it warns, bytes. */
  readonly roomyBytes?: number;
}

const ROOMY = 2 * 1024 ** 3;
/** Below this share of what is roomy there is not enough for Postgres to begin with. */
const SCARCE = 1 / 8;
const LONGEST_PATH = 490;
/** Linux's numbers of proc and sysfs, in which root may do all but make anything. */
const KERNELS: ReadonlySet<number> = new Set([0x9fa0, 0x62656572]);

export async function examineEngine(surroundings: EngineSurroundings): Promise<readonly Finding[]> {
  const { dataDir, look } = surroundings;
  const place = await nearest(dataDir);
  return [
    await examinePrograms(surroundings),
    await examineAccount(dataDir),
    await examineFolder(dataDir, place),
    await examineSpace(place, surroundings.roomyBytes ?? ROOMY),
    ...(look.made ? [examineMajor(dataDir, look), await examinePasswords(dataDir)] : []),
    ...examineHold(dataDir, look),
    ...(await examineRemains(dataDir)),
  ];
}

async function examinePrograms({ platform = process.platform, arch = process.arch }: EngineSurroundings) {
  const check = "engine.programs";
  try {
    const { native, version } = await findPackage(packageName(platform, arch));
    const program = join(native, "bin", process.platform === "win32" ? "postgres.exe" : "postgres");
    const { stdout } = await promisify(execFile)(program, ["--version"], { env: programEnvironment() });
    return ok(check, `${stdout.trim()} for ${platform} ${arch} (package ${version}).`);
  } catch (error) {
    if (error instanceof EngineError) return trouble(check, error);
    const code = systemCode(error);
    return fail(
      check,
      `The packaged Postgres does not run on this machine (${code === "" ? "it ends at once" : code}).`,
      "The embedded database cannot be started. It needs a file system that allows programs and, on Linux, glibc.",
      useAServer,
    );
  }
}

async function examineAccount(dataDir: string): Promise<Finding> {
  const check = "engine.account";
  try {
    const account = await accountFor(join(dataDir, "cluster"));
    return ok(
      check,
      account === undefined
        ? "Postgres runs as this user."
        : `This is root, as whom Postgres refuses to run: it runs as ${account.name} (${account.uid}).`,
    );
  } catch (error) {
    if (error instanceof EngineError) return trouble(check, error);
    throw error;
  }
}

async function examineFolder(dataDir: string, place: string): Promise<Finding> {
  const check = "engine.folder";
  const choose = "Choose another folder with MAESTRO_DATA_DIR, or correct its rights.";
  const cannot = "The embedded database cannot be started.";
  if (Buffer.byteLength(resolve(dataDir)) > LONGEST_PATH)
    return fail(check, `The path of the data folder is longer than ${LONGEST_PATH} bytes.`, cannot, choose);
  const info = await stat(place);
  if (!info.isDirectory()) return fail(check, `${place} is a file, and no folder.`, cannot, choose);
  try {
    await access(place, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return fail(check, `This user may not read and write in ${place}.`, cannot, choose);
  }
  if (KERNELS.has((await statfs(place)).type))
    return fail(check, `${place} is the kernel's: no folder can be made there.`, cannot, choose);
  return ok(
    check,
    place === resolve(dataDir) ? `${place} can be used.` : `${dataDir} will be made at the first start.`,
  );
}

async function examineSpace(place: string, roomy: number): Promise<Finding> {
  const check = "engine.space";
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB are free where ${place} is.`;
  const remedy = "Free some space, or choose another folder with MAESTRO_DATA_DIR.";
  if (free < roomy * SCARCE)
    return fail(check, found, "Postgres stops taking writes when the disk is full, and may not start.", remedy);
  return free < roomy
    ? warn(check, found, "Postgres keeps up to 4 GiB of its log beside the data.", remedy)
    : ok(check, found);
}

function examineMajor(dataDir: string, { major }: FolderLook): Finding {
  const check = "engine.major";
  if (major === packagedMajor)
    return ok(check, `The database was written by Postgres ${major}, which this Maestro brings.`);
  if (major === undefined)
    return fail(
      check,
      `What wrote the database in ${dataDir} cannot be read.`,
      "The folder is damaged, or belongs to another user: the database cannot be started.",
      "Run as the user who made it, or take it from a backup.",
    );
  return fail(
    check,
    `The database was written by Postgres ${major}, and this Maestro brings Postgres ${packagedMajor}.`,
    "It cannot be started by this build.",
    "Run `maestro export` of the Maestro that wrote it, and `maestro import` of this one into another folder.",
  );
}

async function examinePasswords(dataDir: string): Promise<Finding> {
  const check = "engine.passwords";
  const file = join(dataDir, "passwords.json");
  const info = await stat(file).catch(() => undefined);
  if (info === undefined)
    return warn(
      check,
      "The file with the database's passwords is missing.",
      "New ones are made at the next start.",
      "",
    );
  if (process.platform !== "win32" && (info.mode & 0o077) !== 0)
    return warn(
      check,
      "Others may read the file with the database's passwords.",
      "Whoever has an account on this machine can read and change everything.",
      `chmod 600 ${file}`,
    );
  return ok(check, "Only its owner may read the file with the database's passwords.");
}

/** Who holds the folder, and whether what runs and what is written agree with that. */
function examineHold(dataDir: string, { held, owner, processes, lockFile }: FolderLook): readonly Finding[] {
  const pids = processes.join(", ");
  const lock = held
    ? ok("engine.lock", `The folder is in use by Maestro (process ${owner ?? "unknown"}).`)
    : ok("engine.lock", "No Maestro uses the folder.");
  if (held || process.platform === "win32") return [lock];
  if (processes.length > 0)
    return [
      lock,
      warn(
        "engine.processes",
        `Postgres processes of a Maestro that is gone still run (${pids}).`,
        "They hold the database open; the next start ends them first.",
        `Start Maestro. If it says that they do not end, look at them: they are probably stuck on the disk of ${dataDir}.`,
      ),
    ];
  return lockFile
    ? [
        lock,
        warn(
          "engine.pid",
          "Postgres's lock file was left behind: it did not end in order.",
          "Nothing is lost. The next start makes the file harmless and replays the log.",
          "",
        ),
      ]
    : [lock];
}

async function examineRemains(dataDir: string): Promise<readonly Finding[]> {
  const entries = await readdir(dataDir).catch(() => []);
  const remains = entries.filter((entry) => entry.startsWith("cluster.new-"));
  if (remains.length === 0) return [];
  const found = `A cluster that was never finished lies in the folder (${remains.join(", ")}).`;
  return [warn("engine.remains", found, "It takes space until the next start sweeps it away.", "")];
}

function trouble(check: string, error: EngineError): Finding {
  const what = error.message.slice(0, -error.remedy.length).trim();
  return fail(check, what, "The embedded database cannot be started.", error.remedy);
}

/** The folder, or what of its path exists. */
async function nearest(folder: string): Promise<string> {
  for (let place = resolve(folder); ; place = dirname(place)) {
    const there = await access(place).then(
      () => true,
      (error: unknown) => systemCode(error) !== "ENOENT",
    );
    if (there && (await stat(place).catch(() => undefined)) !== undefined) return place;
    if (dirname(place) === place) return place;
  }
}
