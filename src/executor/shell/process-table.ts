// What Linux tells about processes in /proc. Elsewhere there is no such table. Not here: whose they are, see process-tree.ts.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { MARK } from "./environment.ts";

/** A process. Its number is used again after its end; number and start together are not. */
export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks from boot to start. */
  readonly startTicks: number;
  /** Waited for by nobody yet: dead, but still in the table. */
  readonly dead: boolean;
  /** Clock ticks of processor time, with those of children it has waited for. */
  readonly ticks: number;
}

/** Linux reports ticks of a hundredth of a second to programs, whatever the kernel counts in. */
export const TICK_MS = 10;
/** About 3 ms of reading; then others get a turn. */
const AT_ONCE = 100;

export const hasProcessTable = process.platform === "linux" && readProcess(process.pid) !== undefined;

export function readProcess(pid: number | "self"): ProcessRow | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name in parentheses may hold anything, parentheses too. The third field of proc(5) comes after the last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    pid: Number.parseInt(text, 10),
    parent: field(4),
    group: field(5),
    session: field(6),
    startTicks: field(22),
    dead: fields[0] === "Z" || fields[0] === "X",
    ticks: field(14) + field(15) + field(16) + field(17),
  };
}

/** Processor ticks of all children that this process has waited for. */
export function ticksOfEndedChildren(): number {
  const text = read("/proc/self/stat") ?? "";
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[16 - 3] ?? 0) + Number(fields[17 - 3] ?? 0);
}

/** Clock ticks since boot, rounded down. */
export function uptimeTicks(): number {
  return Math.floor((Number.parseFloat(read("/proc/uptime") ?? "0") * 1000) / TICK_MS);
}

/** All processes that live, read in slices so that the event loop is not held up. */
export async function liveProcesses(): Promise<ProcessRow[]> {
  const rows: ProcessRow[] = [];
  let count = 0;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    if (++count % AT_ONCE === 0) await turn();
    const row = readProcess(pid);
    if (row !== undefined && !row.dead) rows.push(row);
  }
  return rows;
}

/** Whether the process was started under this mark. Those of other users do not let us read it. */
export function carriesMark(pid: number, mark: string): boolean {
  const environment = read(`/proc/${pid}/environ`);
  if (environment?.includes(mark) !== true) return false;
  const entry = environment.split("\0").find((variable) => variable.startsWith(`${MARK}=`));
  return (
    entry
      ?.slice(MARK.length + 1)
      .split("/")
      .includes(mark) ?? false
  );
}

/** Number under which a command inherits its badge: beyond what shells, scripts and runtimes take for themselves. */
export const BADGE_FD = 77;

/** Whether the process still holds the file that its command began with. Those of other users do not let us look. */
export function holdsBadge(pid: number, badge: string): boolean {
  return pointsTo(`/proc/${pid}/fd/${BADGE_FD}`)?.startsWith(badge) === true;
}

/** The path of an open file as this table tells it. */
export function badgeOf(fd: number): string | undefined {
  return hasProcessTable ? pointsTo(`/proc/self/fd/${fd}`) : undefined;
}

function pointsTo(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Children of all threads of a process. Empty where the kernel does not keep the list. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      (read(`/proc/${pid}/task/${thread}/children`) ?? "").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Resident memory of a process, now and at its highest, in bytes. */
export function residentBytes(pid: number): { readonly now: number; readonly most: number } {
  const text = read(`/proc/${pid}/status`) ?? "";
  const kibibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return { now: kibibytes("VmRSS") * 1024, most: kibibytes("VmHWM") * 1024 };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
