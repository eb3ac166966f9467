// The pipes through which a command's output arrives. Not here: what becomes of it, see log.ts and tail.ts.
import { execFile } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

/** Where one stream of the command goes: an open file for the command's side, and our side of it. */
interface OutputPipe {
  readonly theirs: number;
  readonly ours: Socket;
}

export interface OutputPipes {
  readonly stdout: OutputPipe;
  readonly stderr: OutputPipe;
}

/**
 * Node gives children sockets for pipes, and Linux does not let a socket be opened by name: `echo … > /dev/stderr`, common in
 * scripts, would fail. So on Linux the output goes through named pipes, whose names are gone again before the command
 * starts. Undefined elsewhere, and where they cannot be made: then sockets have to do. Costs about 2 ms.
 */
export async function outputPipes(folder: string): Promise<OutputPipes | undefined> {
  if (process.platform !== "linux") return undefined;
  const paths = [join(folder, "stdout"), join(folder, "stderr")] as const;
  try {
    await promisify(execFile)("mkfifo", ["-m", "600", ...paths]);
    const stdout = openPipe(paths[0]);
    try {
      return { stdout, stderr: openPipe(paths[1]) };
    } catch (error) {
      closePipe(stdout);
      throw error;
    }
  } catch {
    return undefined;
  } finally {
    await Promise.allSettled(paths.map((path) => unlink(path)));
  }
}

/** Our copies of the command's ends: as long as they are open, its output never ends. */
export function closeTheirs(pipes: OutputPipes): void {
  closeSync(pipes.stdout.theirs);
  closeSync(pipes.stderr.theirs);
}

/** When the command does not start after all. */
export function closePipes(pipes: OutputPipes): void {
  closePipe(pipes.stdout);
  closePipe(pipes.stderr);
}

function openPipe(path: string): OutputPipe {
  // The reader first and without waiting; then there is somebody for the writer to open it to.
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const theirs = openSync(path, constants.O_WRONLY);
    return { theirs, ours: new Socket({ fd: reader, readable: true, writable: false }) };
  } catch (error) {
    closeSync(reader);
    throw error;
  }
}

function closePipe({ theirs, ours }: OutputPipe): void {
  closeSync(theirs);
  ours.destroy();
}
