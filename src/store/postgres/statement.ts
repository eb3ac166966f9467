// One statement that is a whole transaction, with what it sees in it: what standing loops ask is sent every second or so, and
// BEGIN, the settings and COMMIT would be three more. Not here: transactions of several statements, see transaction.ts.
import type postgres from "postgres";
import { PREPARED, withTries } from "./transaction.ts";
import type { TransactionOptions } from "./transaction.ts";

/**
 * The beginning of such a statement: it sees the platform's tables, for as long as it runs, behind a pooler too. Policies look at
 * the setting when they are first asked; so whatever reads a table must come after `see`, and says so by naming `see.platform`
 * in a subquery that cannot be taken apart (correlated, or LATERAL with OFFSET 0).
 */
export function seeing({ prepare, lockMs }: Pick<TransactionOptions, "prepare" | "lockMs">): string {
  // A pooler's connection brings no bounds; of those, the one on locks can be set from within.
  const bounds = prepare ? "" : `, set_config('lock_timeout', '${String(lockMs)}', true)`;
  return `WITH see AS MATERIALIZED (SELECT set_config('maestro.platform', 'on', true) AS platform${bounds})`;
}

/**
 * Runs `seeing(…)` and `text`, which goes on with further CTEs or the SELECT. When the connection breaks, it may have been
 * carried out all the same: what it writes must be the same when it is written again.
 */
export async function inOneStatement<Row>(
  options: TransactionOptions,
  text: string,
  parameters: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return withTries(options, async () => {
    const connection = await options.client.reserve();
    try {
      const rows = await connection.unsafe(
        `${seeing(options)}${text}`,
        parameters as postgres.ParameterOrJSON<never>[],
        options.prepare ? PREPARED : { prepare: false },
      );
      return rows as unknown as readonly Row[];
    } finally {
      connection.release();
    }
  });
}
