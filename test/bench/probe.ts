// Loaded before the server's own modules: answers the benchmark over IPC how late the event loop was and how large the process is.
// The server itself runs exactly as it is started in earnest. Not here: reading it, see support/server-process.ts.
import { monitorEventLoopDelay } from "node:perf_hooks";

/** The histogram's own sampling interval is part of every reading; it is taken off. */
const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

process.on("message", (message: { readonly probe?: boolean; readonly reset?: boolean }) => {
  if (message.probe !== true) return;
  const { user, system } = process.cpuUsage();
  const late = (percentile: number): number => Math.max(0, delay.percentile(percentile) / 1e6 - RESOLUTION_MS);
  process.send?.({
    loopP50Ms: late(50),
    loopP99Ms: late(99),
    loopMaxMs: late(100),
    threadMs: threadMs(),
    rssMb: process.memoryUsage().rss / 2 ** 20,
    cpuMs: (user + system) / 1_000,
  });
  if (message.reset === true) delay.reset();
});

function threadMs(): number {
  // Node 22 has no such reading.
  const usage = (process as { threadCpuUsage?: typeof process.threadCpuUsage }).threadCpuUsage?.();
  return usage === undefined ? Number.NaN : (usage.user + usage.system) / 1_000;
}

// The channel alone must not keep a server alive that wants to end.
process.channel?.unref();
