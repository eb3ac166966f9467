// The composition root of `maestro doctor`: what is examined of the engine and of the database that a server of these settings would
// use. Starts and changes nothing. Not here: ports and servers, which are seen from outside.
import { resolve } from "node:path";
import type { Config } from "./config.ts";
import { examineDatabase } from "./store/postgres/doctor/database.ts";
import { examineEngine } from "./store/postgres/doctor/engine.ts";
import { lookAt } from "./store/postgres/engines/embedded-look.ts";
import { systemClock } from "./support/clock.ts";
import type { Finding } from "./support/finding.ts";
import { ok } from "./support/finding.ts";

/** Where the database of these settings is, how it stands, and the work in it. */
export async function examineStore(
  { databaseUrl, directUrl, dataDir, poolSize }: Pick<Config, "databaseUrl" | "directUrl" | "dataDir" | "poolSize">,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  // Operations, batches, the session, two for scans and two for the bytes of artifacts.
  const connections = poolSize + Math.ceil(poolSize / 2) + 5;
  const examine = (url: string): Promise<readonly Finding[]> =>
    examineDatabase({ url, clock: systemClock, connections, signal });
  if (databaseUrl !== null) return examine(directUrl ?? databaseUrl);
  const folder = resolve(dataDir);
  const look = await lookAt(folder);
  const engine = await examineEngine({ dataDir: folder, look });
  if (look.url !== undefined) return [...engine, ...(await examine(look.url))];
  const silent = look.made
    ? "The embedded database does not run; what is in it can be examined while a server does."
    : "There is no embedded database yet; the first start makes it.";
  return [...engine, ok("database.reach", silent)];
}
