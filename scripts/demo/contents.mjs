// A step of the demo: looks into the tarball without a tar program, which not every system has.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { output } from "./outputs.mjs";

const [file] = process.argv.slice(2);
const names = [...entries(gunzipSync(readFileSync(file)))];
const libraries = ["executor/executor", "testing/testing"].flatMap((name) => [`${name}.js`, `${name}.d.ts`]);
const wanted = ["package.json", "dist/src/main.js", ...libraries.map((name) => `dist/src/${name}`)];
const missing = wanted.filter((name) => !names.includes(`package/${name}`));
// The executors in other languages are for users to begin with; of the tests nothing else is.
const foreign = names.filter((name) =>
  /^package\/(src|test(?!\/clients\/(go|java|python)\/)|scripts|node_modules)\//.test(name),
);
if (missing.length + foreign.length > 0)
  throw new Error(`missing: ${missing.join(", ")}; not to be there: ${foreign.join(", ")}`);
output({ files: names.length });

/** Names of the files of a tar archive (ustar: blocks of 512 bytes, a header before each file). */
function* entries(bytes) {
  for (let at = 0; at < bytes.length && bytes[at] !== 0;) {
    const text = (from, length) => bytes.toString("utf8", at + from, at + from + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(text(124, 12), 8);
    const prefix = text(345, 155);
    if (text(156, 1) === "0") yield prefix === "" ? text(0, 100) : `${prefix}/${text(0, 100)}`;
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
