// The demo: a server on the embedded engine, shell executors in processes of their own, and a goal that checks, builds, packs and
// releases this very project while one executor is killed. Not here: the steps, see examples/release.yaml and demo/.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectTo } from "../src/cli/client.ts";
import type { ServerClient } from "../src/cli/client.ts";
import { INTERRUPTED } from "../src/cli/io.ts";
import { Child } from "./demo/child.ts";
import { Fleet } from "./demo/fleet.ts";
import { brokenPromises } from "./demo/promises.ts";
import type { Judged } from "./demo/promises.ts";
import { judgedNow, release } from "./demo/release.ts";
import { writeReport } from "./demo/report.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "demo-out");
const data = join(root, ".maestro", "demo");
/** Killed while it performs this step, which takes some seconds. */
const VICTIM_STEP = "types";
/** When it begins, the tarball is there, and two of the papers that the gate asks for are not. */
const EARLY_STEP = "provenance";
const READY_MS = 60_000;

const startedMs = Date.now();
const say = (text: string): void => console.log(text);
process.exitCode = await demo();

async function demo(): Promise<number> {
  for (const folder of [out, data]) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  for (const folder of [out, data]) mkdirSync(folder, { recursive: true });
  // The charter trusts its public half.
  execFileSync(process.execPath, ["scripts/demo/builder.mjs"], { cwd: root });
  const server = new Child(root, [
    "serve",
    "--port",
    "0",
    "--grpc-port",
    "0",
    "--data-dir",
    join(data, "data"),
    "--log-level",
    "warn",
  ]);
  const children = [server];
  let client: ServerClient | undefined;
  const end = (signal: NodeJS.Signals): void => {
    for (const child of children) child.signal(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => end("SIGTERM"));
  try {
    const ready = await server.line(/^maestro ready on (\S+) \(gRPC ([^)]+)\)/, READY_MS);
    say(ready.input);
    const [, wideUrl = "", grpcUrl = ""] = ready;
    const fleet = new Fleet(root, grpcUrl, (child) => children.push(child), say);
    await Promise.all([fleet.add("demo-1"), fleet.add("demo-2")]);
    fleet.killWhen(VICTIM_STEP, "demo-3");
    const connected = (client = connectTo(wideUrl, undefined));
    let early: Promise<Judged | undefined> | undefined;
    fleet.whenStarted(EARLY_STEP, (planId) => {
      early = judgedNow(connected, planId).catch((error: unknown) => {
        say(`the gate could not be asked early: ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      });
    });

    const apply = new Child(root, ["--server", wideUrl, "apply", "examples/release.yaml"], "inherit");
    children.push(apply);
    const exitCode = await apply.exited;
    if (exitCode === INTERRUPTED) return exitCode;
    if (exitCode !== 0) {
      const planId = fleet.planId ?? "PLAN";
      say(`
The plan did not succeed. Look next:
  npm run maestro -- serve --data-dir .maestro/demo/data     the same server again, with all that happened
  npm run maestro -- trace ${planId}
  examples/release.yaml  the plan that was applied: mend the cause, and run the demo again`);
      return exitCode;
    }

    const { planId, kill } = fleet;
    if (planId === undefined || kill === undefined)
      throw new Error(`no executor was killed: step ${VICTIM_STEP} never ran`);
    const before = await early;
    if (before === undefined) throw new Error(`the gate was not asked when step ${EARLY_STEP} began`);
    const released = await release(connected, before, { root, planId, wideUrl, out, data }, say);
    const report = await writeReport(
      connected,
      {
        planId,
        kill,
        release: released,
        firstStepMs: fleet.firstStepMs - startedMs,
        file: join(out, "report.json"),
        startedMs,
      },
      say,
    );
    const broken = brokenPromises(report, out);
    const trace = new Child(root, ["--server", wideUrl, "trace", planId], "inherit");
    await trace.exited;
    if (broken.length > 0) {
      for (const promise of broken) console.error(`demo: a promise is broken: ${promise}`);
      return 1;
    }
    say(`
Look next:
  demo-out/report.json   steps, executors, attempts, fencing numbers around the kill, cost, what the gate said
  demo-out/SHA256SUMS    sums of the tarball, its bill of materials, its provenance and its risk assessment
  demo-out/release.maestro-pack.tar.gz     all of it for others: npm run maestro -- packs verify demo-out/release.maestro-pack.tar.gz
  examples/release.yaml  the plan that was applied
  npm run maestro -- serve --data-dir .maestro/demo/data     the same server again, with all that happened
  npm run maestro -- gate ${planId}
  npm run maestro -- explain ${planId}
  npm run maestro -- logs ${planId} lint_code`);
    return 0;
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    for (const line of server.lastLines) console.error(`  server: ${line}`);
    return 1;
  } finally {
    client?.close();
    // Executors first, so that they can say goodbye.
    for (const child of children.slice(1)) child.signal("SIGTERM");
    await Promise.all(children.slice(1).map((child) => child.gone()));
    server.signal("SIGTERM");
    await server.gone();
  }
}
