// A step of the demo: reads SHA256SUMS again and holds the files against it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { output, sha256 } from "./outputs.mjs";

const [folder] = process.argv.slice(2);
const lines = readFileSync(join(folder, "SHA256SUMS"), "utf8").trimEnd().split("\n");
for (const line of lines) {
  const [sum, file] = line.split("  ");
  if (sha256(join(folder, file)) !== sum) throw new Error(`${file} is not what was summed`);
}
output({ verified: lines.length });
