// Folders, child Maestros and a view of the process table for the engine tests. Not here: any expectation.
import { spawn } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { clusterName, clusterProcesses } from "../../src/store/postgres/engines/embedded-process.ts";

export const asRoot = process.getuid?.() === 0;
/** A number that no account of ours has. */
const NOBODY = 65_534;
export const onLinux = process.platform === "linux";

/** Work without root's rights, which see no closed folder and no other owner; as whoever runs the tests when that is not root. */
export async function unprivileged<T>(work: () => Promise<T>): Promise<T> {
  if (!asRoot) return work();
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

/** A fresh folder that other accounts may pass through, so that root's tests resemble a normal place. */
export async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "maestro-engines-"));
  await chmod(folder, 0o755);
  return folder;
}

export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Waits until `condition` holds; the test's own limit bounds it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(15);
}

/** The living server processes of a data folder. */
export async function serversOf(dataDir: string): Promise<readonly number[]> {
  const name = await clusterName(join(dataDir, "cluster")).catch(() => "");
  return name === "" ? [] : (await clusterProcesses(name)).map(({ pid }) => pid);
}

export async function postmasterPid(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, "cluster", "postmaster.pid"), "utf8"), 10);
}

/** The watchdog a process has started. */
export function watchdogOf(pid: number): number {
  for (const entry of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      const parent = / (\d+) /.exec(readFileSync(`/proc/${entry}/stat`, "utf8").replace(/^.*\) \S/, ""))?.[1];
      if (Number(parent) === pid && readFileSync(`/proc/${entry}/cmdline`, "utf8").includes("watchdog.ts"))
        return Number(entry);
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error(`process ${pid} has no watchdog`);
}

export interface Fact {
  readonly ready?: string;
  readonly wrote?: number;
  readonly log?: string;
  readonly refused?: string;
  readonly message?: string;
}

export interface ChildMaestro {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly facts: readonly Fact[];
  readonly gone: Promise<number | null>;
  /** Resolves with the first fact that fits, past or future; rejects when the child ends without one. */
  fact(fits: (fact: Fact) => boolean): Promise<Fact>;
  kill(): Promise<void>;
}

export interface ChildPlace extends Pick<SpawnOptions, "uid" | "gid"> {
  readonly script?: string;
  readonly cacheDir?: string;
}

/** Starts a Maestro of its own process. */
export function childMaestro(dataDir: string, mode: "idle" | "write" = "idle", place: ChildPlace = {}): ChildMaestro {
  const script = place.script ?? fileURLToPath(new URL("./engines-child.ts", import.meta.url));
  const identity = place.uid === undefined ? {} : { uid: place.uid, gid: place.gid ?? place.uid };
  const args = [
    "--experimental-strip-types",
    "--disable-warning=ExperimentalWarning",
    script,
    dataDir,
    mode,
    place.cacheDir ?? "",
  ];
  const child = spawn(process.execPath, args, { ...identity, stdio: ["pipe", "pipe", "inherit"], cwd: "/" });
  const facts: Fact[] = [];
  let heard: () => void = () => undefined;
  createInterface({ input: child.stdout }).on("line", (line) => {
    facts.push(JSON.parse(line) as Fact);
    heard();
  });
  let ended = false;
  const gone = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      ended = true;
      resolve(code);
      heard();
    });
  });
  return {
    pid: child.pid ?? 0,
    process: child,
    facts,
    gone,
    fact: (fits) =>
      new Promise((resolve, reject) => {
        heard = () => {
          const found = facts.find(fits);
          if (found !== undefined) resolve(found);
          else if (ended) reject(new Error(`the child ended, having said ${JSON.stringify(facts)}`));
        };
        heard();
      }),
    kill: async () => {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
