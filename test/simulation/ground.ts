// What all seeds share: a database whose clock is virtual, connections to it, and the observer. Not here: running seeds.
import { asAdmin, makeDatabase } from "../support/database.ts";
import type { TestServer } from "../support/database.ts";
import { heavyWork } from "../../src/operations/heavy-work.ts";
import { RealConnections } from "./statements.ts";
import { Observer } from "./observer.ts";
import type { Ground } from "./simulation.ts";
import { START_MS } from "./world.ts";

/** The time that whoever sends a statement says it is. */
const VIRTUAL_CLOCK = `CREATE OR REPLACE FUNCTION maestro.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
  AS $$ SELECT to_timestamp(current_setting('maestro.virtual_ms')::double precision / 1000) $$`;

/** The partitions of the present make every plan longer to think of, and nothing of a seed is in them. */
const ONE_MONTH = `DO $$ DECLARE t regclass; BEGIN
  FOR t IN SELECT i.inhrelid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'maestro' AND c.relkind = 'p'
  LOOP EXECUTE format('DROP TABLE %s', t); END LOOP; END $$`;

/** Of this database alone: others may want theirs vacuumed. */
const UNTOUCHED = `DO $$ DECLARE t regclass; BEGIN
  FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'maestro' AND c.relkind = 'r'
  LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', t); END LOOP; END $$`;

export interface OpenGround extends Ground {
  end(): Promise<void>;
}

export async function openGround(server: TestServer): Promise<OpenGround> {
  const database = await makeDatabase(server);
  await asAdmin(database.adminUrl, async (sql) => {
    await sql.unsafe(VIRTUAL_CLOCK);
    await sql.unsafe(ONE_MONTH);
    await sql.unsafe(`SELECT maestro.ensure_partitions(${String(START_MS)}, 0)`);
    // Nothing may move under a seed: the same seed meets the same tables.
    await sql.unsafe(UNTOUCHED);
  });
  const real = new RealConnections(database.url);
  const observer = new Observer(database.adminUrl);
  const heavy = heavyWork();
  return {
    real,
    observer,
    heavy,
    end: async () => {
      await heavy.close();
      await real.end();
      await observer.end();
      await database.drop();
    },
  };
}
