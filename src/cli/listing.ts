// Lists, page by page: a table for people, an object a line for programs, once or again and again. Not here: what is listed.
import { setTimeout as wait } from "node:timers/promises";
import type { Command } from "commander";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { jsonLine } from "./context.ts";
import type { Context } from "./context.ts";
import { wholeTo } from "./flags.ts";
import { CommandEnd, INTERRUPTED } from "./io.ts";
import { table } from "./table.ts";

export interface ListFlags {
  readonly limit: number;
  readonly all?: boolean;
  readonly watch?: boolean;
}

export interface Listing<D extends DescMessage> {
  readonly schema: D;
  readonly page: (
    pageSize: number,
    pageToken: string,
  ) => Promise<{ readonly items: readonly MessageShape<D>[]; readonly nextPageToken: string }>;
  /** What rows need that items do not say, for people only. */
  readonly learn?: (items: readonly MessageShape<D>[]) => Promise<void>;
  readonly head: readonly string[];
  readonly row: (item: MessageShape<D>) => readonly string[];
  /** What is said of an empty list. */
  readonly none: string;
}

const PAGE = 1000;
const AGAIN_MS = 2_000;

export function addLimit(command: Command): Command {
  return command
    .option("--limit <count>", "most entries", wholeTo(100_000), 100)
    .option("--all", "all entries, however many there are")
    .option("-w, --watch", "again every two seconds, until interrupted; what changed, where nothing can be redrawn");
}

export async function showList<D extends DescMessage>(
  listing: Listing<D>,
  flags: ListFlags,
  context: Context,
): Promise<void> {
  if (flags.watch === true) return watchList(listing, flags, context);
  const { io, json, quiet, notice } = context;
  const { head, row, none, learn, schema } = listing;
  const rows: (readonly string[])[] = [];
  const { count, more } = await eachPage(listing, flags, async (items) => {
    if (!json) await learn?.(items);
    for (const item of items) {
      if (json) io.out(jsonLine(schema, item));
      else rows.push(row(item));
    }
  });
  if (!json) io.out(count === 0 ? `${none}\n` : `${table(head, rows, io.columns)}\n`);
  if (more && !quiet) notice(`more follow after these ${count}: --limit or --all shows them`, { more: true });
}

async function eachPage<D extends DescMessage>(
  { page }: Listing<D>,
  { limit, all = false }: ListFlags,
  take: (items: readonly MessageShape<D>[]) => Promise<void>,
): Promise<{ readonly count: number; readonly more: boolean }> {
  const most = all ? Infinity : limit;
  let count = 0;
  let pageToken = "";
  do {
    // Tokens are bound to the size of their pages.
    const { items, nextPageToken } = await page(Math.min(PAGE, most), pageToken);
    const wanted = items.slice(0, most - count);
    count += wanted.length;
    await take(wanted);
    pageToken = wanted.length < items.length ? pageToken || "more" : nextPageToken;
  } while (pageToken !== "" && count < most);
  return { count, more: pageToken !== "" };
}

/** A terminal is redrawn; elsewhere only what is new or was changed is written. Ends with the user's interrupt. */
async function watchList<D extends DescMessage>(
  listing: Listing<D>,
  flags: ListFlags,
  { io, json }: Context,
): Promise<void> {
  const { head, row, learn, schema, none } = listing;
  const redrawn = io.terminal && !json;
  let told = new Set<string>();
  for (let first = true; !io.signal.aborted; first = false) {
    const rows: (readonly string[])[] = [];
    const lines: string[] = [];
    await eachPage(listing, flags, async (items) => {
      if (!json) await learn?.(items);
      for (const item of items) {
        rows.push(json ? [] : row(item));
        lines.push(json ? jsonLine(schema, item) : JSON.stringify(rows.at(-1)));
      }
    });
    const fresh = lines.flatMap((line, i) => (told.has(line) ? [] : [i]));
    if (redrawn) io.out(`\u001b[H\u001b[J${rows.length === 0 ? none : table(head, rows, io.columns)}\n`);
    else if (json) for (const i of fresh) io.out(lines[i] ?? "");
    else if (first) io.out(`${rows.length === 0 ? none : table(head, rows, io.columns)}\n`);
    else if (fresh.length > 0) io.out(`${rowsOnly(head, rows, fresh, io.columns)}\n`);
    told = new Set(lines);
    await wait(AGAIN_MS, undefined, { signal: io.signal }).catch(() => undefined);
  }
  throw new CommandEnd(INTERRUPTED);
}

/** In the columns of the whole table. */
function rowsOnly(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  wanted: readonly number[],
  columns: number,
): string {
  const lines = table(head, rows, columns).split("\n");
  return wanted.map((i) => lines[i + 1] ?? "").join("\n");
}
