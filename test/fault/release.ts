// Another release of this very server: the same sources under another version, in a folder of its own. Not here: starting it, see
// support/server-process.ts.
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Makes it in a folder that is there and empty. */
export function makeRelease(folder: string, version: string): string {
  for (const part of ["src", "gen"]) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  const about = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<string, unknown>;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...about, version }));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}
