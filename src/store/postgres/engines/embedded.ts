// The embedded engine: a real Postgres server in a folder, started, watched and stopped by Maestro. README.md has the concept.
// Not here: connecting to it for work, migrations.
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { accountFor, launchTrouble } from "./embedded-account.ts";
import { locateBinaries } from "./embedded-binaries.ts";
import {
  adminRole,
  appRole,
  clusterArgument,
  databaseName,
  disarmLockFile,
  ensureCluster,
  programEnvironment,
  startTrouble,
} from "./embedded-cluster.ts";
import type { Runtime } from "./embedded-cluster.ts";
import { lockFolder, openFolder } from "./embedded-folder.ts";
import type { FolderLock, Passwords } from "./embedded-folder.ts";
import { clusterName, endOrphans } from "./embedded-process.ts";
import { settingArguments } from "./embedded-settings.ts";
import { Watchdog, lifeTie } from "./embedded-watchdog.ts";
import type { EngineExit } from "./embedded-watchdog.ts";
import { checkServer } from "./server.ts";

export type { EngineExit } from "./embedded-watchdog.ts";

export interface EmbeddedOptions {
  /** The folder that holds everything; made if absent. One Maestro at a time. */
  readonly dataDir: string;
  /** Takes the engine's own lines and Postgres's FATAL and PANIC lines. Never statements or row values. */
  readonly log: (line: string) => void;
  /** Postgres settings that override the engine's. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where a copy of the programs may lie when Postgres's account cannot reach the installed ones; a system place unless set. */
  readonly cacheDir?: string;
  /** Where to listen, so that a server that is started again keeps its address; a free port unless set. */
  readonly port?: number;
  /** The longest silence while starting, 60 s unless set. A long recovery reports progress and is not cut off. */
  readonly startTimeoutMs?: number;
}

export interface EngineHandle {
  /** For the application's login: no superuser, bound by row-level security, owner of the database. */
  readonly url: string;
  /** For the administrator's login of the same database. */
  readonly adminUrl: string;
  readonly major: number;
  readonly port: number;
  /** Settles when the server ended without being asked to; by then all of it is gone and the folder is free again. */
  readonly exited: Promise<EngineExit>;
  /** Stops the server with a checkpoint and frees the folder. Aborting the signal skips the checkpoint; nothing is lost by that. */
  stop(signal?: AbortSignal): Promise<void>;
}

/** Starts the engine. Throws EngineError, or the signal's reason; nothing keeps running then. */
export async function startEmbedded(options: EmbeddedOptions, signal?: AbortSignal): Promise<EngineHandle> {
  signal?.throwIfAborted();
  settingArguments(options.settings ?? {}, { port: 0, clusterName: "" });
  const folder = await openFolder(options.dataDir);
  const cluster = join(folder, "cluster");
  const lock = lockFolder(folder);
  try {
    const account = await accountFor(cluster);
    const runtime: Runtime = {
      folder,
      cluster,
      account,
      binaries: await locateBinaries(account, folder, options.cacheDir),
    };
    return await startServer(runtime, options, lock, signal);
  } catch (error) {
    lock.release();
    throw error;
  }
}

// What another process can take from us between looking and starting: the port, or the cluster (the server of a Maestro that was
// killed while starting it). Both are gone at the next try.
const passing =
  /Address already in use|could not create any TCP\/IP sockets|"postmaster\.pid" already exists|pre-existing shared memory block/;
const maxTries = 8;

async function startServer(
  runtime: Runtime,
  options: EmbeddedOptions,
  lock: FolderLock,
  signal?: AbortSignal,
): Promise<EngineHandle> {
  for (let attempt = 1; ; attempt += 1) {
    // First, because its start takes longest and overlaps with the rest.
    const watchdog = new Watchdog(runtime.folder);
    try {
      await endLeftovers(runtime, options.log);
      const passwords = await ensureCluster(runtime, signal);
      const port = options.port ?? (await freePort());
      const name = await clusterName(runtime.cluster);
      await disarmLockFile(runtime.cluster, watchdog.pid);
      await launch(watchdog, runtime, { port, name }, options, signal);
      const urls = urlsFor(port, passwords);
      const { major } = await checkServer(urls.url);
      signal?.throwIfAborted();
      options.log(`Postgres ${major} is ready on 127.0.0.1:${port}.`);
      return handleOf(watchdog, { ...urls, major, port }, name, lock, options.log);
    } catch (error) {
      watchdog.releaseNow();
      await watchdog.ended;
      if (attempt === maxTries || !watchdog.lines.some((line) => passing.test(line))) throw error;
      await delay(25 * attempt, undefined, signal === undefined ? {} : { signal });
    }
  }
}

async function endLeftovers({ cluster }: Runtime, log: (line: string) => void): Promise<void> {
  const name = await clusterName(cluster).catch(() => undefined);
  if (name !== undefined && (await endOrphans(name))) log("Ended the Postgres of a Maestro that was killed.");
}

interface Place {
  readonly port: number;
  readonly name: string;
}

/** Settles when the server accepts connections; throws when it ends, goes silent or is called off before. */
async function launch(
  watchdog: Watchdog,
  runtime: Runtime,
  { port, name }: Place,
  options: EmbeddedOptions,
  signal?: AbortSignal,
): Promise<void> {
  const { account, cluster, folder, binaries } = runtime;
  const [program = binaries.postgres, ...tie] = [...(await lifeTie()), binaries.postgres];
  const args = [
    ...tie,
    "-D",
    await clusterArgument(cluster, account),
    ...settingArguments(options.settings ?? {}, { port, clusterName: name }),
  ];
  const identity = account === undefined ? {} : { uid: account.uid, gid: account.gid };
  const order = {
    program,
    args,
    cwd: cluster,
    env: programEnvironment(),
    ...identity,
    logFile: join(folder, "postgres.log"),
    clusterName: name,
  };
  const silenceMs = options.startTimeoutMs ?? 60_000;
  await new Promise<void>((resolve, reject) => {
    const giveUp = (): void =>
      reject(startTrouble(folder, `Postgres said nothing for ${silenceMs} ms while starting`, watchdog.lines));
    const callOff = (): void => reject(signal?.reason instanceof Error ? signal.reason : new Error("called off"));
    signal?.addEventListener("abort", callOff, { once: true });
    let silence = setTimeout(giveUp, silenceMs);
    const done = (): void => {
      clearTimeout(silence);
      signal?.removeEventListener("abort", callOff);
    };
    watchdog.start(order, (event) => {
      if (event.type === "line") {
        clearTimeout(silence);
        silence = setTimeout(giveUp, silenceMs);
        if (/ (FATAL|PANIC): /.test(event.text)) options.log(event.text);
      }
      if (event.type === "ready") {
        done();
        resolve();
      }
    });
    void watchdog.ended.then(() => {
      done();
      const failed = watchdog.unlaunched;
      reject(
        failed === undefined
          ? startTrouble(folder, "Postgres did not start", watchdog.lines)
          : launchTrouble(binaries.postgres, account, failed.text, failed.code),
      );
    });
  });
}

type Facts = Pick<EngineHandle, "url" | "adminUrl" | "major" | "port">;

function handleOf(
  watchdog: Watchdog,
  facts: Facts,
  name: string,
  lock: FolderLock,
  log: (line: string) => void,
): EngineHandle {
  let stopping = false;
  const over = watchdog.ended.then(async (exit) => {
    // Only left over when the watchdog itself was killed; the tie to it does not exist on every system.
    if (exit.cause === "watchdog") await endOrphans(name).catch((error: unknown) => log(String(error)));
    lock.release();
    return exit;
  });
  const exited = new Promise<EngineExit>((resolve) => {
    void over.then((exit) => {
      if (stopping) return;
      log(`Postgres ended by itself (${exit.cause}: ${exit.signal ?? exit.code ?? "unknown"}).`);
      resolve(exit);
    });
  });
  return {
    ...facts,
    exited,
    stop: async (signal) => {
      stopping = true;
      const hurry = (): void => watchdog.releaseNow();
      signal?.addEventListener("abort", hurry, { once: true });
      if (signal?.aborted === true) hurry();
      else watchdog.release();
      await over;
      signal?.removeEventListener("abort", hurry);
    },
  };
}

// Loopback TCP rather than a Unix socket: 5–10 % slower for single-row statements, nothing for batches, and it has no path that can
// be too long, cleaned away from a temporary folder or unreadable to another account; every client takes the URL as it is.
function urlsFor(port: number, { admin, app }: Passwords): { readonly url: string; readonly adminUrl: string } {
  const urlFor = (role: string, password: string): string =>
    `postgres://${role}:${password}@127.0.0.1:${port}/${databaseName}`;
  return { url: urlFor(appRole, app), adminUrl: urlFor(adminRole, admin) };
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
