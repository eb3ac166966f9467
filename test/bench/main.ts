// `npm run bench`: what the service does on this machine, each figure beside the ceiling of the same run. Not here: the measurements.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { MEASUREMENTS } from "./measurements.ts";
import type { Figure } from "./figure.ts";
import { benchPostgres } from "./postgres.ts";
import { makeStage } from "./stage.ts";

/** The whole run ends by itself after this. */
const LIMIT_MS = 8 * 60_000;

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    only: { type: "string", multiple: true },
    seconds: { type: "string", default: "2" },
    log: { type: "string" },
    embedded: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const chosen = MEASUREMENTS.filter(({ name, onlyAsked = false }) =>
  values.only === undefined ? !onlyAsked : values.only.includes(name),
);
if (!(seconds > 0) || chosen.length === 0) {
  console.error(
    `usage: npm run bench -- [--only NAME]… [--seconds N] [--embedded] [--json FILE] [--log FILE]\nnames: ${MEASUREMENTS.map((m) => m.name).join(", ")}`,
  );
  process.exit(2);
}

const database = await benchPostgres(values.embedded);
const stage = makeStage({ url: database.url, databaseCpuMs: database.cpuMs, seconds, windows: 3, logFile: values.log });
const figures: Figure[] = [];
const failures: string[] = [];
const limit = setTimeout(() => {
  console.error("The benchmark took too long and ends here.");
  void finish();
}, LIMIT_MS);

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}; ${database.what}; client, server and Postgres share the cores.`,
);
for (const { name, run } of chosen) {
  const beganMs = performance.now();
  stage.say(`${name} …`);
  try {
    figures.push(...(await run(stage)));
  } catch (error) {
    failures.push(name);
    stage.say(`  failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  stage.say(`  ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`);
}
await finish();

async function finish(): Promise<void> {
  clearTimeout(limit);
  print();
  if (values.json !== undefined)
    writeFileSync(
      values.json,
      `${JSON.stringify(Object.fromEntries(figures.map((f) => [f.key, round(f.value)])), null, 2)}\n`,
    );
  await stage.stopServer();
  await database.stop();
  process.exit(failures.length > 0 ? 1 : 0);
}

function print(): void {
  const by = new Map(figures.map((figure) => [figure.key, figure.value]));
  const rows = figures.map(({ key, value, unit, ceiling, note }) => {
    const top = ceiling === undefined ? undefined : by.get(ceiling);
    // Of rates a share; of times and sizes, where less is better, how many times as much.
    const share = (of: number): string =>
      unit.endsWith("/s") ? `${((100 * value) / of).toFixed(0)} % of` : `${(value / of).toFixed(1)} ×`;
    const beside =
      ceiling === undefined || top === undefined
        ? ""
        : `${share(top)} ${round(top).toLocaleString("en")} (${ceiling.replace("_steps_per_s", "")})`;
    return [key, `${round(value).toLocaleString("en")} ${unit}`, beside, note ?? ""];
  });
  const table = [["figure", "here", "ceiling", ""], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  for (const row of table)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    );
  if (failures.length > 0) console.log(`failed: ${failures.join(", ")}`);
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
}
