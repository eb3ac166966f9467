// A step of the demo: writes SHA256SUMS as checking programs read it.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { output, sha256 } from "./outputs.mjs";

const [folder, ...files] = process.argv.slice(2);
writeFileSync(join(folder, "SHA256SUMS"), files.map((file) => `${sha256(join(folder, file))}  ${file}\n`).join(""));
output({ file: "SHA256SUMS", sums: files.length });
