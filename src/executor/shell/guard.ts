// The guard: a tiny shell beside the executor that ends the commands when the executor is gone, however it went. One per
// executor process, not one per command. Not here: how a command is ended while the executor lives, see process-tree.ts.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "../../support/random.ts";
import { MARK } from "./environment.ts";

/**
 * A step whose executor died runs again elsewhere, so nothing of it may go on writing. The guard reads a pipe that only the
 * executor holds; its end means that the executor is gone, and then it kills, without grace:
 *  - the groups it was told of and not told to forget, and
 *  - where there is /proc, every process that carries the executor's mark in its environment, until none is found.
 * The pipe closes only after a command that was just being started has taken on its environment (the copy of the pipe that
 * a fork inherits closes on exec), so the search cannot come too early. At last it removes the executor's folder.
 * Only POSIX commands, builtins but for grep, rm and sleep. Costs about 1 MB, and 2 ms at the first command.
 */
const GUARD = `
trap '' HUP INT TERM QUIT PIPE
groups=' '
while read -r verb group; do
  case $verb in
    watch) groups="$groups$group " ;;
    forget) groups="\${groups%%" $group "*} \${groups#*" $group "}" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
round=0
while [ -r /proc/self/environ ] && [ $round -lt 60 ]; do
  found=$(grep -l -F -e "$1" /proc/[0-9]*/environ 2>/dev/null)
  [ -n "$found" ] || break
  for file in $found; do
    pid=\${file#/proc/}
    kill -s KILL "\${pid%/environ}" 2>/dev/null
  done
  round=$((round + 1))
  [ $round -gt 20 ] && sleep 1
done
rm -rf -- "$2"
`;

/** A guard that keeps being killed is not started for ever. */
const MOST_STARTS = 20;

class Guard {
  /** Unlike any other executor's. Every command's mark begins with it. */
  readonly #mark = Buffer.from(systemRandom().bytes(16)).toString("hex");
  readonly #groups = new Set<number>();
  #commands = 0;
  #starts = 0;
  #folder: string | undefined;
  #process: ChildProcess | undefined;

  /** A mark for one command, and what its environment says: inside another executor's command it belongs to both. */
  newMark(): { readonly mark: string; readonly variable: string } {
    const outer = process.env[MARK];
    const mark = `${this.#mark}.${++this.#commands}`;
    return { mark, variable: outer === undefined ? mark : `${outer}/${mark}` };
  }

  /** A new folder that only this user can enter. */
  async newFolder(): Promise<string> {
    this.#folder ??= mkdtempSync(join(tmpdir(), "maestro-executor-"));
    try {
      return await mkdtemp(join(this.#folder, "command-"));
    } catch {
      // A cleaner of old files took it.
      this.#folder = undefined;
      return mkdtemp(join(tmpdir(), "maestro-command-"));
    }
  }

  /** Before a command is started. */
  ready(): void {
    if (process.platform !== "win32" && this.#process === undefined && this.#starts < MOST_STARTS) this.#start();
  }

  watch(group: number): void {
    this.#groups.add(group);
    this.#tell("watch", group);
  }

  forget(group: number): void {
    this.#groups.delete(group);
    this.#tell("forget", group);
  }

  #start(): void {
    this.#starts++;
    this.#folder ??= mkdtempSync(join(tmpdir(), "maestro-executor-"));
    const outer = process.env[MARK];
    const guard = spawn("/bin/sh", ["-c", GUARD, "maestro-guard", this.#mark, this.#folder], {
      // Its own session: what is sent to the executor's group must not reach it. The root folder: it keeps none busy.
      detached: true,
      cwd: "/",
      env: { PATH: process.env["PATH"], ...(outer === undefined ? {} : { [MARK]: outer }) },
      stdio: ["pipe", "ignore", "ignore"],
    });
    const gone = (): void => {
      if (this.#process !== guard) return;
      this.#process = undefined;
      if (this.#groups.size > 0) this.ready();
    };
    guard.on("error", gone).on("exit", gone);
    guard.stdin.on("error", () => undefined);
    // It waits for the executor's end, so the executor must not wait for its.
    guard.unref();
    if (guard.stdin instanceof Socket) guard.stdin.unref();
    this.#process = guard;
    for (const group of this.#groups) this.#tell("watch", group);
  }

  #tell(verb: "watch" | "forget", group: number): void {
    this.#process?.stdin?.write(`${verb} ${group}\n`);
  }
}

/** One for the process: the executor that dies is the process. */
export const guard = new Guard();
