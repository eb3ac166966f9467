// Plants a fault in the product's own source, for one process: modules are loaded with the patch, and no file is changed. Run with
// the name of a fault, a server's description and the seed to begin with; prints what was found. Not here: which test expects what,
// see planted.test.ts.
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";
import type { TestServer } from "../support/database.ts";

interface Patch {
  /** Under src/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const PATCHES = {
  "no fencing check": {
    file: "domain/plan/report.ts",
    from: "if (!isLive(row, fencing)) return",
    to: "if (!isLive(row, row.fencing)) return",
  },
  "lease returned twice": {
    file: "dispatch/items.ts",
    from: `if ([sessionId, item.under].includes(draft.step(item.ordinal).sessionId))
        loseLease(draft, item.ordinal, item.fencing, item.failure);`,
    to: "loseLease(draft, item.ordinal, draft.step(item.ordinal).fencing, item.failure);",
  },
} as const satisfies Readonly<Record<string, Patch>>;

export interface Found {
  readonly seed: number;
  readonly violation: string;
}

/** Seeds that are tried. */
export const SEEDS = 50;

function plant({ file, from, to }: Patch): () => boolean {
  const target = new URL(`../../src/${file}`, import.meta.url).href;
  let isPlanted = false;
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context);
      if (url !== target) return loaded;
      const source = Buffer.from(loaded.source as Uint8Array).toString();
      if (source.split(from).length !== 2) throw new Error(`the patch does not fit ${file} any more`);
      isPlanted = true;
      return { ...loaded, source: source.replace(from, () => to) };
    },
  });
  return () => isPlanted;
}

async function main([name = "", server = "", likely = "1"]: readonly string[]): Promise<void> {
  const patch = (PATCHES as Readonly<Record<string, Patch>>)[name];
  if (patch === undefined) throw new Error(`no fault is called ${name}`);
  const isPlanted = plant(patch);
  const { openGround } = await import("./ground.ts");
  const { simulate } = await import("./simulation.ts");
  if (!isPlanted()) throw new Error("the patched module was not loaded");
  const ground = await openGround(JSON.parse(server) as TestServer);
  try {
    console.log(JSON.stringify(await firstFound((seed) => simulate(ground, seed), Number(likely))));
  } finally {
    await ground.end();
  }
}

/** What is found first, from a seed on, around to the one before it; null for nothing. */
export async function firstFound(
  run: (seed: number) => Promise<{ readonly violation: string | null }>,
  likely: number,
): Promise<Found | null> {
  for (let i = 0; i < SEEDS; i++) {
    const seed = ((likely - 1 + i) % SEEDS) + 1;
    const { violation } = await run(seed);
    if (violation !== null) return { seed, violation };
  }
  return null;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(process.argv.slice(2));
