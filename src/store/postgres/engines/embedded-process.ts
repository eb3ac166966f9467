// Which living processes serve a cluster, and how they are ended. Asks the system, never a pid file: pids get reused, and a killed
// process stays a zombie under a PID 1 that does not reap. Not here: starting anything.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { EngineError } from "./engine-error.ts";

export interface ClusterProcess {
  readonly pid: number;
  readonly postmaster: boolean;
}

/**
 * The name a cluster's processes carry in their titles (`cluster_name`). Device and inode belong to exactly one folder of the
 * machine: a copy of the folder, or the same path in another container, has another name, so we never end a neighbour.
 */
export async function clusterName(cluster: string): Promise<string> {
  const { dev, ino } = await stat(cluster, { bigint: true });
  return `maestro-${dev.toString(36)}-${ino.toString(36)}`;
}

/** The living processes of a cluster. A zombie has no title left and therefore is not one. */
export async function clusterProcesses(name: string): Promise<readonly ClusterProcess[]> {
  return (await titles()).flatMap(({ pid, title }): readonly ClusterProcess[] => {
    if (title.startsWith(`postgres: ${name}: `)) return [{ pid, postmaster: false }];
    // Not a child's title yet: the postmaster, or a child in the instant after its fork, for which SIGINT is harmless.
    return title.includes(` cluster_name=${name} `) ? [{ pid, postmaster: true }] : [];
  });
}

async function titles(): Promise<readonly { readonly pid: number; readonly title: string }[]> {
  if (process.platform === "win32") return [];
  if (process.platform !== "linux") {
    const { stdout } = await promisify(execFile)("ps", ["-axo", "pid=,args="], { maxBuffer: 64 * 1024 * 1024 });
    return stdout.split("\n").map((line) => {
      const [, pid = "0", title = ""] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
      return { pid: Number(pid), title: `${title} ` };
    });
  }
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry));
  return pids.flatMap((pid) => {
    try {
      return [{ pid: Number(pid), title: `${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")} ` }];
    } catch {
      return []; // It ended between the two reads.
    }
  });
}

/** Sends a signal, also to a process that has just ended. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already, which is what every caller wants.
  }
}

/**
 * Ends whatever still serves the cluster, gently first: fast shutdown (10 s), immediate shutdown (5 s), kill. The caller holds the
 * folder's lock, so these are orphans. Backends without a postmaster have nothing to save: they end at once, and the next start
 * replays the log.
 */
export async function endOrphans(name: string): Promise<boolean> {
  let found = await clusterProcesses(name);
  if (found.length === 0) return false;
  const steps: readonly (readonly [NodeJS.Signals, number])[] = [
    ["SIGINT", 10_000],
    ["SIGQUIT", 5_000],
    ["SIGKILL", 5_000],
  ];
  for (const [signal, patienceMs] of steps) {
    const headless = !found.some((each) => each.postmaster);
    for (const { pid, postmaster } of found) {
      if (signal !== "SIGINT") send(pid, signal);
      else if (postmaster) send(pid, "SIGINT");
      else if (headless) send(pid, "SIGQUIT");
    }
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 20) {
      await delay(20);
      found = await clusterProcesses(name);
      if (found.length === 0) return true;
    }
  }
  throw new EngineError(
    "folder-in-use",
    `Postgres processes of an earlier Maestro (${found.map(({ pid }) => pid).join(", ")}) do not end.`,
    "They are probably stuck on the disk; look at them, then start again.",
  );
}
