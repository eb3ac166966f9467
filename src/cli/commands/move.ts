// `maestro export` and `maestro import`: an installation as a file, out of one database and into another. Not here: what is in the
// file, and how it is checked.
import { once } from "node:events";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { createGzip } from "node:zlib";
import { exportFrom, importInto } from "../../app-move.ts";
import type { Moved, MoveOptions, Place, Sink } from "../../app-move.ts";
import { readConfig } from "../../config.ts";
import { counted } from "../../support/counted.ts";
import type { Context } from "../context.ts";
import { CLOSED_PIPE, CommandEnd, INTERRUPTED, MISUSED } from "../io.ts";
import type { CliIo } from "../io.ts";
import { endOfLost, flushOut, writeOut } from "../standard-output.ts";

export interface PlaceFlags {
  readonly config?: string;
  readonly dataDir?: string;
  readonly databaseUrl?: string;
  readonly directUrl?: string;
}

export interface ExportFlags extends PlaceFlags {
  /** `-` for standard output. */
  readonly output: string;
  /** Compressed; so is a file whose name ends in `.gz`. */
  readonly gzip?: boolean;
  readonly force?: boolean;
}

export async function exportInstallation(flags: ExportFlags, context: Context): Promise<void> {
  const { io } = context;
  const place = placeOf(flags, io);
  const { output } = flags;
  const packed = flags.gzip === true || output.endsWith(".gz");
  const write = async (sink: Sink): Promise<Moved> => {
    const to = packed ? gzipped(sink) : { sink, end: async () => undefined };
    const moved = await exportFrom(place, to.sink, flags.force ?? false, optionsOf(context));
    await to.end();
    return moved;
  };
  if (output === "-") {
    if (io.terminal) throw new CommandEnd(MISUSED, "an export is not for terminals; name a file with --output");
    const moved = await toStandardOutput(write);
    if (!context.quiet) io.err(summary("exported", moved, "to standard output", context.json));
    return;
  }
  const moved = await toFile(output, write, io);
  if (!context.quiet || context.json) io.out(summary("exported", moved, `to ${output}`, context.json));
}

export async function importInstallation(file: string, flags: PlaceFlags, context: Context): Promise<void> {
  if (file === "-")
    throw new CommandEnd(MISUSED, "an export is read twice, first to be checked: import it from a file");
  const place = placeOf(flags, context.io);
  const moved = await importInto(place, file, optionsOf(context));
  if (!context.quiet || context.json) {
    const where = place.databaseUrl === null ? `into ${place.dataDir}` : "into the database";
    context.io.out(summary("imported", moved, where, context.json));
  }
}

function placeOf({ config, ...flags }: PlaceFlags, io: CliIo): Place {
  const { dataDir, databaseUrl, directUrl } = flags;
  const settings = {
    ...(dataDir !== undefined && { dataDir }),
    ...(databaseUrl !== undefined && { databaseUrl }),
    ...(directUrl !== undefined && { directUrl }),
  };
  const read = readConfig({ flags: settings, environment: io.env, file: config });
  if (!read.ok) throw new CommandEnd(MISUSED, read.mistakes.join("\n"));
  // A folder that is named means the folder, whatever database the environment or the file names.
  const folder = dataDir !== undefined && databaseUrl === undefined;
  return folder ? { ...read.config, databaseUrl: null, directUrl: null } : read.config;
}

function optionsOf({ io, json, quiet, notice }: Context): MoveOptions {
  return {
    onWarning: (text) => notice(`warning: ${text}`),
    onTable: (name, { rows, sha256 }) => {
      if (!quiet && !json && rows > 0) io.err(`${name}  ${counted(rows, "row")}  ${sha256.slice(0, 12)}\n`);
    },
    log: () => undefined,
    signal: io.signal,
  };
}

function summary(verb: string, { installationId, tables, rows, bytes }: Moved, where: string, json: boolean): string {
  if (json) {
    const all = tables.map(({ name, rows: count, sha256 }) => ({ name, rows: count, sha256 }));
    return `${JSON.stringify({ installation_id: installationId, rows, bytes, tables: all })}\n`;
  }
  const plans = tables.find(({ name }) => name === "plans")?.rows ?? 0;
  const steps = tables.find(({ name }) => name === "steps")?.rows ?? 0;
  return `${verb} installation ${installationId} ${where}: ${counted(plans, "plan")} with ${counted(steps, "step")}, ${counted(rows, "row")} of ${counted(tables.length, "table")}, ${(bytes / 1_048_576).toFixed(1)} MiB\n`;
}

/** A sink before the sink: what it is given goes there compressed. Its end is to be waited for. */
function gzipped(sink: Sink): { readonly sink: Sink; readonly end: () => Promise<void> } {
  const gzip = createGzip();
  const written = (async () => {
    for await (const bytes of gzip as AsyncIterable<Uint8Array>) await sink(bytes);
  })();
  // Told by whoever waits for room or for the end; in between nobody does.
  written.catch(() => undefined);
  return {
    sink: async (bytes) => {
      if (!gzip.write(bytes)) await Promise.race([once(gzip, "drain"), written]);
    },
    end: async () => {
      gzip.end();
      await written;
    },
  };
}

/** Written under another name and renamed when it is whole; only its owner may read it, for it holds everything. */
async function toFile(path: string, write: (sink: Sink) => Promise<Moved>, { signal }: CliIo): Promise<Moved> {
  const unfinished = `${path}.unfinished`;
  const taken = await open(path, "r").then(
    (handle) => handle.close().then(() => true),
    () => false,
  );
  if (taken) throw new CommandEnd(MISUSED, `${path} exists; name another file, or remove it`);
  const file = await open(unfinished, "w", 0o600).catch((error: unknown) => {
    throw new CommandEnd(MISUSED, `${path} cannot be written: ${error instanceof Error ? error.message : "unknown"}`);
  });
  try {
    const moved = await write(async (bytes) => {
      for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
    });
    await file.sync();
    await file.close();
    await rename(unfinished, path);
    await syncFolder(dirname(path));
    return moved;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(unfinished, { force: true });
    if (signal.aborted) throw new CommandEnd(INTERRUPTED);
    throw error;
  }
}

/** Makes the rename survive a power cut, where the system has a call for it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Throws once whoever reads it went away, or it is full: what is written to a stream from then on is taken, and never drained. */
async function toStandardOutput(write: (sink: Sink) => Promise<Moved>): Promise<Moved> {
  const { stdout } = process;
  const gone = new AbortController();
  const end = (error: unknown): void => gone.abort(error);
  stdout.on("error", end);
  try {
    const moved = await write(async (bytes) => {
      if (!written(bytes, end) && !gone.signal.aborted) await once(stdout, "drain", { signal: gone.signal });
      gone.signal.throwIfAborted();
    });
    flushOut();
    return moved;
  } catch (error) {
    throw gone.signal.aborted ? lost(gone.signal.reason) : error;
  } finally {
    stdout.off("error", end);
  }
}

function written(bytes: Uint8Array, end: (error: unknown) => void): boolean {
  try {
    return writeOut(bytes);
  } catch (error) {
    end(error);
    return false;
  }
}

function lost(error: unknown): CommandEnd {
  const { exitCode, message } = endOfLost(error);
  const why = exitCode === CLOSED_PIPE ? "the reader went away before the end" : message;
  return new CommandEnd(exitCode, `${why}: what is there of the export cannot be imported`);
}
