// Lists, page by page: a table for people, an object a line for programs. Not here: what is listed.
import type { Command } from "commander";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { jsonLine } from "./context.ts";
import type { Context } from "./context.ts";
import { wholeTo } from "./flags.ts";
import { table } from "./table.ts";

export interface ListFlags {
  readonly limit: number;
  readonly all?: boolean;
}

export interface Listing<D extends DescMessage> {
  readonly schema: D;
  readonly page: (
    pageSize: number,
    pageToken: string,
  ) => Promise<{ readonly items: readonly MessageShape<D>[]; readonly nextPageToken: string }>;
  readonly head: readonly string[];
  readonly row: (item: MessageShape<D>) => readonly string[];
  /** What is said of an empty list. */
  readonly none: string;
}

const PAGE = 1000;

export function addLimit(command: Command): Command {
  return command
    .option("--limit <count>", "most entries", wholeTo(100_000), 100)
    .option("--all", "all entries, however many there are");
}

export async function showList<D extends DescMessage>(
  { schema, page, head, row, none }: Listing<D>,
  { limit, all = false }: ListFlags,
  { io, json, quiet, notice }: Context,
): Promise<void> {
  const most = all ? Infinity : limit;
  const rows: (readonly string[])[] = [];
  let count = 0;
  let pageToken = "";
  do {
    // Tokens are bound to the size of their pages.
    const { items, nextPageToken } = await page(Math.min(PAGE, most), pageToken);
    const wanted = items.slice(0, most - count);
    count += wanted.length;
    for (const item of wanted) {
      if (json) io.out(jsonLine(schema, item));
      else rows.push(row(item));
    }
    pageToken = wanted.length < items.length ? pageToken || "more" : nextPageToken;
  } while (pageToken !== "" && count < most);
  if (!json) io.out(count === 0 ? `${none}\n` : `${table(head, rows, io.columns)}\n`);
  if (pageToken !== "" && !quiet)
    notice(`more follow after these ${count}: --limit or --all shows them`, { more: true });
}
