// A process of its own between Maestro and Postgres: starts Postgres, reports what it says, and stops it when Maestro's pipe closes,
// for whatever reason. Reads one order from its input, then waits for the end of it. Not here: Maestro's side (embedded-watchdog.ts).
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { BoundedLog } from "./embedded-log.ts";
import { endOrphans } from "./embedded-process.ts";
import type { WatchdogEvent, WatchdogOrder } from "./embedded-watchdog.ts";

// A terminal's ^C or a service manager's SIGTERM reaches this process too. Maestro drains first and then closes the pipe.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

const leave = (): void => process.exit(0);
let stop: () => void = leave;

// Nobody listens any more when Maestro is dead.
process.stdout.on("error", () => undefined);
function report(event: WatchdogEvent): void {
  if (process.stdout.writable) process.stdout.write(`${JSON.stringify(event)}\n`);
}

const input = createInterface({ input: process.stdin });
input.once("line", (line) => {
  watch(JSON.parse(line) as WatchdogOrder);
});
input.on("close", () => stop());
process.stdin.on("error", () => stop());

function watch(order: WatchdogOrder): void {
  const log = new BoundedLog(order.logFile);
  const identity = order.uid === undefined ? {} : { uid: order.uid, gid: order.gid };
  const server = spawn(order.program, order.args, {
    cwd: order.cwd,
    env: order.env,
    ...identity,
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
  });
  const timers: NodeJS.Timeout[] = [];
  stop = () => {
    stop = () => undefined;
    server.kill("SIGINT");
    timers.push(
      setTimeout(() => server.kill("SIGQUIT"), 10_000),
      setTimeout(() => server.kill("SIGKILL"), 15_000),
    );
  };
  server.on("spawn", () => report({ type: "spawned", pid: server.pid ?? 0 }));
  server.on("error", (error: NodeJS.ErrnoException) => {
    report({ type: "unlaunched", code: error.code ?? "", text: error.message });
    if (server.pid === undefined) leave();
  });
  let ready = false;
  for (const stream of [server.stdout, server.stderr]) {
    createInterface({ input: stream }).on("line", (text) => {
      log.write(text);
      // After the start only what ends sessions or the server is worth Maestro's attention; the rest is in the file.
      if (!ready || / (FATAL|PANIC): /.test(text)) report({ type: "line", text });
      if (ready || !text.includes("database system is ready to accept connections")) return;
      ready = true;
      report({ type: "ready" });
    });
  }
  const closed = new Promise<void>((resolve) => void server.on("close", () => resolve()));
  server.on("exit", (code, signal) => {
    for (const timer of timers) clearTimeout(timer);
    stop = () => undefined;
    // When the postmaster is killed its children notice and end, except one that is busy computing; it also holds the output open.
    void endOrphans(order.clusterName)
      .catch((error: unknown) => log.write(String(error)))
      .then(() => Promise.race([closed, delay(1_000)]))
      .finally(() => {
        report({ type: "exit", code, signal });
        leave();
      });
  });
}
