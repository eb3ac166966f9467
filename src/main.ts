#!/usr/bin/env node
// The process: hands arguments, environment, terminal and signals to the command line, and ends with its exit code.
import { createRequire } from "node:module";

const { engines } = createRequire(import.meta.url)("maestro/package.json") as { readonly engines: { node: string } };
const [needed = 0, neededMinor = 0] = engines.node.replace(/^>=/, "").split(".").map(Number);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < needed || (major === needed && minor < neededMinor)) {
  process.stderr.write(`Maestro needs Node ${needed}.${neededMinor} or newer; this is ${process.version}.\n`);
  process.exit(2);
}
// Only now: an older Node fails while it loads what the command imports, and says why in words that help nobody.
const { runCli } = await import("./cli/cli.ts");
const { endOfLost, writeOut } = await import("./cli/standard-output.ts");
const { troubleLine } = await import("./cli/trouble.ts");

/** What keeps a process alive after its command is done is a bug, and gets no longer than this. */
const LINGER_MS = 2_000;

const end = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // Asked again, it ends soon, whatever it is doing.
    if (end.signal.aborted) setTimeout(() => process.exit(130), LINGER_MS).unref();
    end.abort();
  });
}
// Whoever reads the output may stop reading, as `head` does, and a disk may be full: nothing is to be done for the rest of it.
const output: { lost: number | undefined } = { lost: undefined };
function lose(error: unknown): void {
  if (output.lost !== undefined) return;
  const { exitCode, message } = endOfLost(error);
  output.lost = exitCode;
  process.exitCode = exitCode;
  if (message !== "") {
    const json = process.argv.includes("--json");
    process.stderr.write(json ? troubleLine({ reason: "FAILED", exitCode, message }) : `maestro: ${message}\n`);
  }
  end.abort();
  setTimeout(() => process.exit(), LINGER_MS).unref();
}
process.stdout.on("error", lose);
// There is nobody left to tell.
process.stderr.on("error", () => undefined);

const code = await runCli(process.argv.slice(2), {
  out: (text) => {
    if (output.lost !== undefined) return;
    try {
      writeOut(text);
    } catch (error) {
      lose(error);
    }
  },
  err: (text) => void process.stderr.write(text),
  terminal: process.stdout.isTTY,
  columns: process.stdout.isTTY ? process.stdout.columns : 200,
  env: process.env,
  signal: end.signal,
});
process.exitCode = output.lost ?? code;
setTimeout(() => process.exit(), LINGER_MS).unref();
