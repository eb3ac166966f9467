#!/usr/bin/env node
// The process: `maestro serve`, with its ready line and its end. Not here: the other commands, see cli/.
import { parseArgs } from "node:util";
import { pino } from "pino";
import { startApp } from "./app.ts";
import { SETTINGS, flagOf, readConfig } from "./config.ts";
import type { SettingName } from "./config.ts";

const [command = "serve", ...args] = process.argv.slice(2);
if (command === "serve") await serve(args);
else {
  console.error(`maestro: there is no command ${command}`);
  process.exitCode = 2;
}

async function serve(argv: readonly string[]): Promise<void> {
  const flags = readFlags(argv);
  if (flags === undefined) return;
  const read = readConfig({ flags, environment: process.env, file: flags["config"] as string | undefined });
  if (!read.ok) {
    for (const mistake of read.mistakes) console.error(`maestro: ${mistake}`);
    process.exitCode = 2;
    return;
  }
  const log = pino({ level: read.config.logLevel }, pino.destination({ dest: 2, sync: true }));
  try {
    const app = await startApp(read.config, { log });
    const who = app.principal === "" ? "an API key is needed" : `org ${app.org}, caller ${app.principal}`;
    console.log(`maestro ready on ${app.wideUrl} (gRPC ${app.grpcUrl}), ${who}, engine ${app.engine}`);
    const reason = await Promise.race([app.failed, asked()]);
    if (reason !== "") log.fatal(reason);
    await app.close();
    process.exit(reason === "" ? 0 : 1);
  } catch (error) {
    log.debug({ error }, "start failed");
    console.error(`maestro: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}

/** Resolves when the process is asked to end; asked again, it ends at once. */
function asked(): Promise<""> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(130));
        resolve("");
      });
    }
  });
}

function readFlags(argv: readonly string[]): Record<string, unknown> | undefined {
  const names = Object.keys(SETTINGS) as SettingName[];
  const options = Object.fromEntries([...names.map((name) => [flagOf(name).slice(2), { type: SETTINGS[name].kind === "flag" ? "boolean" : "string" }] as const), ["config", { type: "string" }] as const]);
  try {
    const { values } = parseArgs({ args: [...argv], options, allowNegative: true });
    return Object.fromEntries([...names.map((name) => [name, values[flagOf(name).slice(2)]]), ["config", values["config"]]]) as Record<string, unknown>;
  } catch (error) {
    console.error(`maestro: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 2;
    return undefined;
  }
}
