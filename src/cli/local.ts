// `maestro apply --local`: a server and a shell executor in this very process, for as long as the plan takes.
import { shellExecutor } from "../executor/shell-executor.ts";
import type { CliIo } from "./io.ts";
import { configOf, startServer } from "./serve.ts";

export interface Local {
  readonly url: string;
  close(): Promise<void>;
}

const GRACE_MS = 2_000;

/** Free ports on this machine, and the usual data folder unless another is named: what was applied before is found again. */
export async function startLocal(dataDir: string | undefined, slots: number, io: CliIo): Promise<Local> {
  const settings = {
    host: "127.0.0.1",
    port: "0",
    grpcPort: "0",
    logLevel: "error",
    ...(dataDir !== undefined && { dataDir }),
  };
  const app = await startServer(configOf({ settings }, io), io.signal);
  const executor = shellExecutor({ url: app.grpcUrl, name: "local", slots, orgs: "own", drainOn: [] });
  try {
    await executor.start();
  } catch (error) {
    await app.close();
    throw error;
  }
  return {
    url: app.wideUrl,
    close: async () => {
      await executor.stop(GRACE_MS);
      await app.close();
    },
  };
}
