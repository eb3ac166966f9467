// A Maestro server as a process of its own, on ports that stay the same over its lives, to be measured, killed and started
// again. Not here: what it is asked.
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { nativeClient } from "./load/client.ts";

export interface ServerOptions {
  /** The folder of the embedded engine; absent when there is a database URL. */
  readonly dataDir?: string;
  readonly databaseUrl?: string;
  /** Where its words go; nowhere unless given. */
  readonly logFile?: string;
  /** A module that is loaded before the server's own. */
  readonly preload?: string;
  /** The folder of another release, see release.ts; this one unless given. */
  readonly release?: string;
  readonly ports?: { readonly wide: number; readonly fast: number };
  /** Further settings, by their variables. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** What the preloaded probe knows of the server's process. */
export interface ProbeReading {
  readonly loopP50Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  /** CPU time of the event loop's thread; NaN where Node cannot tell. */
  readonly threadMs: number;
  readonly rssMb: number;
  readonly cpuMs: number;
}

export interface ServerProcess {
  readonly pid: number;
  /** `host:port` of the fast lane. */
  readonly target: string;
  readonly ports: { readonly wide: number; readonly fast: number };
  readonly exited: Promise<number | null>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the end; SIGKILL after a while. */
  stop(): Promise<void>;
  /** Reads the probe and, with `reset`, begins its histogram anew. */
  probe(reset?: boolean): Promise<ProbeReading>;
  /** Moves its wall clock that far ahead of the machine's; needs `wall-clock.ts` preloaded. */
  setAhead(aheadMs: number): Promise<void>;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_MS = 40_000;

export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const ports = options.ports ?? { wide: await freePort(), fast: await freePort() };
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, "a");
  const words = log ?? "ignore";
  const child = fork(join(options.release ?? ROOT, "src", "main.ts"), ["serve"], {
    execArgv: [
      "--experimental-strip-types",
      "--disable-warning=ExperimentalWarning",
      ...(options.preload === undefined ? [] : ["--import", pathToFileURL(options.preload).href]),
    ],
    stdio: ["ignore", words, words, "ipc"],
    env: environment(options, ports),
  });
  if (log !== undefined) closeSync(log);
  const exited = new Promise<number | null>((resolve) =>
    child.once("exit", (code) => {
      resolve(code);
    }),
  );
  const server: ServerProcess = {
    pid: child.pid ?? 0,
    target: `127.0.0.1:${ports.fast}`,
    ports,
    exited,
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    stop: async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await exited;
      clearTimeout(timer);
    },
    probe: async (reset = false) => (await ask(child, { probe: true, reset })) as ProbeReading,
    setAhead: async (aheadMs) => void (await ask(child, { aheadMs })),
  };
  await ready(server, child);
  return server;
}

function environment(
  { dataDir, databaseUrl, environment: more = {} }: ServerOptions,
  ports: { readonly wide: number; readonly fast: number },
): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("MAESTRO_") && name !== "DATABASE_URL",
  );
  return {
    ...Object.fromEntries(inherited),
    MAESTRO_HOST: "127.0.0.1",
    MAESTRO_PORT: String(ports.wide),
    MAESTRO_GRPC_PORT: String(ports.fast),
    ...(dataDir === undefined ? {} : { MAESTRO_DATA_DIR: dataDir }),
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    ...more,
  };
}

/** Asks until it answers: that the port is open says little. */
async function ready(server: ServerProcess, child: ChildProcess): Promise<void> {
  const client = nativeClient(server.target, undefined);
  const untilMs = performance.now() + READY_MS;
  let trouble: unknown;
  try {
    while (performance.now() < untilMs) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the server ended while starting (${child.exitCode ?? child.signalCode})`);
      try {
        await client.call(IdentityService.method.whoAmI, {}, { deadlineMs: 1_000 });
        return;
      } catch (error) {
        trouble = error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    throw new Error(`the server does not answer: ${String(trouble)}`);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    client.close();
  }
}

/** What a preloaded module answers. */
async function ask(child: ChildProcess, question: Readonly<Record<string, unknown>>): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const ended = (): void => {
      reject(new Error("the server ended"));
    };
    child.once("exit", ended);
    child.once("message", (answer) => {
      child.off("exit", ended);
      resolve(answer);
    });
    child.send(question);
  });
}

/** An API key of the local org, made as the local caller. */
export async function makeKey(target: string, principal: string): Promise<string> {
  const client = nativeClient(target, undefined);
  try {
    const answer = await client.call(IdentityService.method.createApiKey, {
      principal,
      grants: ["*"],
      idempotencyKey: crypto.randomUUID(),
    });
    return answer.secret;
  } finally {
    client.close();
  }
}

export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (typeof address === "object" && address !== null) resolve(address.port);
        else reject(new Error("no port"));
      });
    });
  });
}
