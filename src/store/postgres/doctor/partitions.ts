// Examines whether the coming months have partitions. Not here: making them, which servers do every minute.
import type { Finding } from "../../../support/finding.ts";
import { fail, ok, warn } from "../../../support/finding.ts";
import type { Link } from "../move/link.ts";
import { qualified, see } from "../move/tables.ts";
import { allOrgs } from "./work.ts";

// A month of a table, by the name that maestro.ensure_partitions gives it.
const MISSING = `SELECT p.relname || '_' || to_char(m.at, 'YYYYMM') AS name, m.ahead
  FROM pg_class p CROSS JOIN (SELECT n AS ahead, date_trunc('month', maestro.clock() AT TIME ZONE 'UTC') + make_interval(months => n) AS at
    FROM generate_series(0, 2) AS n) m
  WHERE p.relnamespace = 'maestro'::regnamespace AND p.relkind = 'p'
    AND NOT EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = p.relnamespace AND c.relispartition
      AND c.relname = p.relname || '_' || to_char(m.at, 'YYYYMM')) ORDER BY 1`;

export async function examinePartitions(link: Link): Promise<readonly Finding[]> {
  const check = "database.partitions";
  const missing = await link.run<{ name: string; ahead: number }>(MISSING);
  const now = missing.filter(({ ahead }) => ahead === 0).map(({ name }) => name);
  const later = missing.filter(({ ahead }) => ahead > 0).map(({ name }) => name);
  const strays = await inTheRest(link);
  const found: Finding[] = [];
  if (now.length > 0)
    found.push(
      fail(
        check,
        `This month has no partition: ${now.join(", ")}.`,
        "New rows pile up among the rest, which retention cannot drop month by month.",
        "Start a server: it makes them. If one runs, its log says what keeps it from that.",
      ),
    );
  else if (later.length > 0)
    found.push(
      warn(
        check,
        `Coming months have no partition yet: ${later.join(", ")}.`,
        "A server that runs makes them three months ahead; here none has for a while.",
        "Start a server before the month begins. If one runs, its log says what keeps it from that.",
      ),
    );
  else found.push(ok(check, "This month and the coming two have their partitions."));
  if (strays.length > 0)
    found.push(
      warn(
        "database.strays",
        `There are rows of months without a partition in ${strays.join(", ")}.`,
        "They cannot be dropped month by month, and their month can get no partition while they are there.",
        "`maestro export` and `maestro import` into an empty database put them where they belong.",
      ),
    );
  return found;
}

/** The partitions for all other months that are not empty. */
async function inTheRest(link: Link): Promise<readonly string[]> {
  await see(link, await allOrgs(link));
  const tables = await link.run<{ name: string }>(
    "SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'maestro'::regnamespace AND relispartition AND relkind = 'r' AND relname LIKE '%\\_other' ORDER BY 1",
  );
  const filled: string[] = [];
  for (const { name } of tables) {
    const [row] = await link.run<{ there: boolean }>(`SELECT EXISTS (SELECT 1 FROM ${qualified(name)}) AS there`);
    if (row?.there === true) filled.push(name);
  }
  return filled;
}
