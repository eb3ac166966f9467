// A real server on free ports with an embedded database in a folder of its own, for tests. Not here: clients.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { startApp } from "../../src/app.ts";
import type { App } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import type { Config } from "../../src/config.ts";

export interface TestServer extends App {
  readonly widePort: number;
  readonly grpcPort: number;
  end(): Promise<void>;
}

export async function startServer(overrides: Partial<Config> = {}): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "maestro-transport-"));
  const read = readConfig({ flags: { port: "0", dataDir, logLevel: "silent" }, environment: {} });
  if (!read.ok) throw new Error(read.mistakes.join("\n"));
  const app = await startApp(
    { ...read.config, ...overrides },
    { log: pino({ level: process.env["TEST_LOG"] ?? "silent" }, pino.destination(2)), checkCache: true },
  );
  return {
    ...app,
    widePort: Number(new URL(app.wideUrl).port),
    grpcPort: Number(app.grpcUrl.split(":").at(-1)),
    end: async () => {
      await app.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
