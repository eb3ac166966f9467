// `maestro serve`: the server as a process, with its ready line and its end. Not here: what it is made of, see app.ts.
import { pino } from "pino";
import { startApp } from "../app.ts";
import type { App } from "../app.ts";
import { readConfig } from "../config.ts";
import type { Config, ConfigSources } from "../config.ts";
import { CommandEnd, FAILED, INTERRUPTED, MISUSED } from "./io.ts";
import type { CliIo } from "./io.ts";

export interface ServeFlags {
  readonly settings: ConfigSources["flags"];
  readonly configFile?: string;
  /** The ready line as an object. */
  readonly json?: boolean;
}

/** What a start that was called off gets to take itself apart; whatever of it is left ends with the process. */
const CALLED_OFF_MS = 5_000;

/** Serves until it is told to end, and drains; a database that ends by itself ends it as well. */
export async function serve(flags: ServeFlags, io: CliIo): Promise<void> {
  const config = configOf(flags, io);
  const app = await startServer(config, io.signal);
  const needed = app.hasKeys
    ? "an API key is needed"
    : "an API key is needed and there is none: set MAESTRO_BOOTSTRAP_KEY to make the first";
  const who = app.principal === "" ? needed : `org ${app.org}, caller ${app.principal}`;
  const { wideUrl: url, grpcUrl: grpc_url, org, principal, engine } = app;
  if (flags.json === true) io.out(`${JSON.stringify({ ready: { url, grpc_url, engine, org, principal } })}\n`);
  else io.out(`maestro ready on ${app.wideUrl} (gRPC ${app.grpcUrl}), ${who}, engine ${app.engine}\n`);
  const reason = await Promise.race([app.failed, toldToEnd(io.signal)]);
  await app.close();
  if (reason !== "") throw new CommandEnd(FAILED, reason);
}

/** The settings; wrong ones end the command with every mistake. */
export function configOf({ settings, configFile }: ServeFlags, io: CliIo): Config {
  const read = readConfig({ flags: settings, environment: io.env, file: configFile });
  if (!read.ok) throw new CommandEnd(MISUSED, read.mistakes.join("\n"));
  return read.config;
}

export async function startServer(config: Config, signal: AbortSignal): Promise<App> {
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }));
  try {
    return await Promise.race([startApp(config, { log, signal }), calledOff(signal)]);
  } catch (error) {
    if (signal.aborted) throw new CommandEnd(INTERRUPTED);
    log.debug({ error }, "start failed");
    throw new CommandEnd(FAILED, takenPort(error) ?? (error instanceof Error ? error.message : String(error)));
  }
}

/** Whatever a start waits for, it does not outlast the wish that it end by much. */
async function calledOff(signal: AbortSignal): Promise<never> {
  await toldToEnd(signal);
  return new Promise((_resolve, reject) => {
    setTimeout(() => reject(new CommandEnd(INTERRUPTED)), CALLED_OFF_MS).unref();
  });
}

/** Both listeners say it in their own words, with the system's own among them. */
function takenPort(error: unknown): string | undefined {
  const [, host, port] = /EADDRINUSE: address already in use (\S+):(\d+)/.exec(String(error)) ?? [];
  if (host === undefined || port === undefined) return undefined;
  return `port ${port} of ${host} is taken, perhaps by another Maestro; name others with --port and --grpc-port, 0 for free ones`;
}

function toldToEnd(signal: AbortSignal): Promise<""> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve("");
    signal.addEventListener("abort", () => resolve(""), { once: true });
  });
}
