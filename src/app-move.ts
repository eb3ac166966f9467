// The composition root of `maestro export` and `maestro import`: a database that no server uses, opened for the length of the move.
// Not here: what a server is made of, see app.ts.
import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { startEmbedded } from "./store/postgres/engines/embedded.ts";
import { checkServer } from "./store/postgres/engines/server.ts";
import type { Sink, TableTail } from "./store/postgres/move/container.ts";
import { exportInstallation } from "./store/postgres/move/export.ts";
import type { Moved } from "./store/postgres/move/export.ts";
import { importInstallation, inspectFor } from "./store/postgres/move/import.ts";
import { MoveError } from "./store/postgres/move/move-error.ts";
import { isoTime, systemClock } from "./support/clock.ts";

export type { Sink } from "./store/postgres/move/container.ts";
export type { Moved } from "./store/postgres/move/export.ts";

/** Where the database is. */
export type Place = Pick<Config, "dataDir" | "databaseUrl" | "directUrl">;

export interface MoveOptions {
  readonly onWarning: (text: string) => void;
  /** A table was moved. */
  readonly onTable: (name: string, moved: TableTail) => void;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

const { version: BUILD } = createRequire(import.meta.url)("maestro/package.json") as { readonly version: string };

/** Throws MoveError, EngineError or store trouble. `force`: also beside servers at work, when the database has them. */
export async function exportFrom(place: Place, sink: Sink, force: boolean, options: MoveOptions): Promise<Moved> {
  // Starting an engine makes its folder, which would then hold an installation with nothing in it.
  if (place.databaseUrl === null && !(await exists(join(place.dataDir, "cluster", "PG_VERSION"))))
    throw new MoveError(
      "no-installation",
      `There is no database in ${place.dataDir}. Name its folder with --data-dir, or the server with DATABASE_URL.`,
    );
  return onDatabase(place, options, (url, embedded) =>
    exportInstallation({
      ...options,
      url,
      sink,
      build: BUILD,
      exportedAt: isoTime(systemClock.nowMs()),
      live: embedded ? "ignore" : force ? "warn" : "refuse",
    }),
  );
}

/** Throws MoveError, EngineError, MigrationError or store trouble; nothing was imported then. */
export async function importInto(place: Place, file: string, options: MoveOptions): Promise<Moved> {
  const manifest = await inspectFor(file, options.signal);
  return onDatabase(place, options, (url, embedded) =>
    importInstallation(manifest, { ...options, url, file, ignoreLive: embedded }),
  );
}

/** The embedded engine holds its folder's lock meanwhile: no server can be using it. */
async function onDatabase<T>(
  { dataDir, databaseUrl, directUrl }: Place,
  { log, signal }: MoveOptions,
  work: (url: string, embedded: boolean) => Promise<T>,
): Promise<T> {
  if (databaseUrl !== null) {
    const url = directUrl ?? databaseUrl;
    await checkServer(url, signal);
    return work(url, false);
  }
  const engine = await startEmbedded({ dataDir, log }, signal);
  try {
    return await work(engine.url, true);
  } finally {
    await engine.stop();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
