// A Maestro reduced to its engine, for tests that kill it: starts the engine in the folder given, writes rows if asked to, and stays.
import postgres from "postgres";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";

const [dataDir = "", mode = "idle", cacheDir = ""] = process.argv.slice(2);
const say = (fact: object): void => void process.stdout.write(`${JSON.stringify(fact)}\n`);
try {
  const log = (line: string): void => say({ log: line });
  const engine = await startEmbedded({ dataDir, log, ...(cacheDir === "" ? {} : { cacheDir }) });
  say({ ready: engine.url });
  if (mode === "write") {
    const sql = postgres(engine.url, { max: 4, onnotice: () => undefined });
    await sql`CREATE TABLE IF NOT EXISTS kept (n bigint PRIMARY KEY)`;
    for (let n = 1; ; n += 1) {
      await sql`INSERT INTO kept VALUES (${n})`;
      say({ wrote: n });
    }
  }
  // The parent closing our input is the polite end.
  process.stdin.resume().on("end", () => void engine.stop().then(() => process.exit(0)));
} catch (error) {
  say({ refused: error instanceof Error && "reason" in error ? error.reason : String(error), message: String(error) });
  process.exit(3);
}
