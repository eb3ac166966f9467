// Fills a migrated database with rows of every table, by SQL and past row-level security: as many as a test asks for, without
// performing any work. Not here: what a server makes of them.
import type postgres from "postgres";
import { uuidv7 } from "../../src/support/typeid.ts";
import { systemRandom } from "../../src/support/random.ts";
import { asAdmin } from "./database.ts";

export interface Filling {
  readonly orgs: number;
  readonly plansEach: number;
  readonly stepsEach: number;
  /** Of each step's definition. */
  readonly definitionBytes?: number;
}

/** Months whose plans there are: long ago, and now. */
const OLD_MS = Date.UTC(2023, 2, 15);
export const OLD_MONTH = "202303";
const random = systemRandom();
const idAt = (ms: number): string => uuidv7(ms, random.bytes(10));

/** What SQL writes and reads differently from what it is: quotes, tabs, newlines, backslashes, `\N`, more than the basic plane. */
const HARD = `'tab ' || chr(9) || ' line ' || chr(10) || ' return ' || chr(13) || ' \\N \\. "quoted" ☃ 🎼'`;

/** Values that satisfy a column's type, for columns that nobody cares about. */
const ANY: Readonly<Record<string, string>> = {
  uuid: "'00000000-0000-7000-8000-000000000000'",
  text: HARD,
  integer: "1",
  bigint: "1",
  boolean: "false",
  jsonb: `'{"b": 1, "a": ["x\\ty"]}'`,
  bytea: `'\\x00ff0a5c'`,
  "double precision": "0.1",
  "text[]": `ARRAY['a b', 'c"d', 'e\\f']`,
  "integer[]": "ARRAY[1,2]",
};

type Values = Readonly<Record<string, string>>;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
}

const known = new Map<string, readonly Column[]>();

async function columnsOf(sql: postgres.Sql, table: string): Promise<readonly Column[]> {
  return sql<Column[]>`
    SELECT attname AS name, format_type(atttypid, NULL) AS type, attnotnull AS required FROM pg_attribute
    WHERE attrelid = ${`maestro.${table}`}::regclass AND attnum > 0 AND NOT attisdropped`;
}

/** One INSERT: given columns by SQL expression over `n`, nullable ones null, the rest whatever their type takes. */
export async function put(sql: postgres.Sql, table: string, values: Values, count = 1): Promise<void> {
  const columns = known.get(table) ?? (await columnsOf(sql, table));
  known.set(table, columns);
  const given = columns.map(({ name, type, required }) => values[name] ?? (required ? (ANY[type] ?? "NULL") : "NULL"));
  await sql.unsafe(
    `INSERT INTO maestro.${table} (${columns.map(({ name }) => name).join(", ")}) SELECT ${given.join(", ")} FROM generate_series(1, ${count}) AS n`,
  );
}

/** Fills the database; says the ids of what was made. */
export async function fill(
  adminUrl: string,
  { orgs, plansEach, stepsEach, definitionBytes = 20 }: Filling,
): Promise<{ readonly orgIds: readonly string[]; readonly planIds: readonly string[]; readonly sessionId: string }> {
  return asAdmin(adminUrl, async (sql) => {
    const sessionId = idAt(Date.now());
    const orgIds: string[] = [];
    const planIds: string[] = [];
    await put(sql, "server_sessions", { session_id: `'${sessionId}'`, expires_ms: "1", started_ms: "0" });
    await sql`SELECT maestro.ensure_partitions(${OLD_MS}::bigint, 0)`;
    for (let o = 0; o < orgs; o++) {
      const orgId = idAt(Date.now());
      const org = { org_id: `'${orgId}'` };
      orgIds.push(orgId);
      await put(sql, "orgs", { ...org, name: `'org ${o}'` });
      await put(sql, "api_keys", { ...org, secret_digest: `sha256('${orgId}'::bytea)` });
      await put(sql, "charters", { ...org, revision: "1" });
      await put(sql, "executors", { ...org, slots: "4", state: "'ACTIVE'", trust: "0.30000000000000004" });
      await put(sql, "demands", org);
      await put(sql, "journal", org);
      await put(sql, "idempotency_keys", org);
      const digest = "'sha256:' || repeat('0', 64)";
      await put(sql, "workflows", org);
      await put(sql, "signing_keys", { ...org, key_id: digest });
      await put(sql, "artifact_accounts", org);
      await put(sql, "artifacts", { ...org, digest, chunk_bytes: "65536" });
      await put(sql, "artifact_uploads", { ...org, digest, chunk_bytes: "65536" });
      await put(sql, "artifact_uses", { ...org, digest });
      await put(sql, "artifact_waste", org);
      // One of the largest rows that there are.
      await put(sql, "artifact_chunks", { ...org, ...(o === 0 && { data: "decode(repeat('0a5c', 524288), 'hex')" }) });
      for (let p = 0; p < plansEach; p++) {
        const planId = idAt(p % 2 === 0 ? OLD_MS + p : Date.now());
        const plan = { ...org, plan_id: `'${planId}'` };
        planIds.push(planId);
        await put(sql, "goals", { ...plan, state: "'ACTIVE'" });
        await put(sql, "goal_terms", plan);
        const run = { ...org, run_id: `'${planId}'` };
        await put(sql, "runs", { ...run, is_plan: "true", cost_estimate: "0.1" });
        await put(sql, "run_artifacts", { ...run, artifact_id: "gen_random_uuid()", kind: "'SBOM'" }, stepsEach);
        await put(sql, "disclosure_packs", { ...run, pack_id: "gen_random_uuid()" });
        await put(sql, "waivers", { ...run, waiver_id: "gen_random_uuid()", expires_ms: "2" });
        await put(sql, "plans", {
          ...plan,
          state: "'ACTIVE'",
          steps_total: `${stepsEach}`,
          steps_ended: "0",
          committed_ms: "1",
        });
        await put(sql, "graph_versions", { ...plan, state: "'ACTIVE'" });
        const step = { ...plan, key: "'step ' || n", ordinal: "n" };
        await put(sql, "steps", { ...step, state: "'READY'", order_key: "n" }, stepsEach);
        await put(sql, "graph_steps", { ...step, definition: `repeat('d', ${definitionBytes}) || n` }, stepsEach);
        await put(sql, "graph_edges", { ...plan, from_key: "'step ' || n", kind: "'EXPLICIT'" }, stepsEach);
        await put(sql, "step_edges", { ...plan, from_ordinal: "n", to_ordinal: "n + 1" }, stepsEach);
        await put(sql, "step_inputs", { ...step, input: `'{"n":' || n || '}'` }, stepsEach);
        await put(sql, "attempts", { ...step, state: "'LOST'" }, Math.ceil(stepsEach / 2));
        await put(sql, "records", { ...plan, seq: "n" }, stepsEach);
        await put(sql, "checkpoints", step, 2);
        await put(sql, "timers", step, 2);
        await put(sql, "cascades", plan);
        await put(sql, "approvals", { ...plan, subject: "'COMMIT'", state: "'PENDING'" });
      }
    }
    return { orgIds, planIds, sessionId };
  });
}

/** Every table with a digest of its rows, computed by the database in its own way, past row-level security. */
export async function digests(adminUrl: string): Promise<Readonly<Record<string, string>>> {
  return asAdmin(adminUrl, async (sql) => {
    const tables = await sql<{ name: string }[]>`
      SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'maestro'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`;
    const found: Record<string, string> = {};
    for (const { name } of tables) {
      const [row] = await sql.unsafe<{ digest: string }[]>(
        `SELECT count(*) || ':' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') AS digest FROM maestro.${name} t`,
      );
      found[name] = row?.digest ?? "";
    }
    return found;
  });
}
