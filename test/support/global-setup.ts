// Starts one embedded Postgres for a whole test run, with a migrated template database; says where the servers are.
// A server of your own joins with MAESTRO_TEST_DATABASE_URL (a superuser's URL). Not here: databases of single tests, see database.ts.
import { appendFile, chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import { asAdmin, prepareServer } from "./database.ts";
import type { TestServer } from "./database.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly servers: readonly TestServer[];
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "maestro-test-"));
  // As root the server runs as another account, which must be able to pass.
  await chmod(folder, 0o755);
  // Nothing here has to survive a power failure; what must is tested with engines of its own.
  const engine = await startEmbedded({
    dataDir: join(folder, "data"),
    log: () => undefined,
    settings: { fsync: "off" },
  });
  const stop = async (): Promise<void> => {
    await engine.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    // The engine lets its own logins into its own database only.
    await appendFile(join(folder, "data", "cluster", "pg_hba.conf"), "host all all 127.0.0.1/32 scram-sha-256\n");
    await asAdmin(engine.adminUrl, (sql) => sql`SELECT pg_reload_conf()`);
    const servers = [await prepareServer("embedded", engine.adminUrl)];
    const own = process.env["MAESTRO_TEST_DATABASE_URL"];
    if (own !== undefined && own !== "") servers.push(await prepareServer("server", own));
    project.provide("servers", servers);
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}
