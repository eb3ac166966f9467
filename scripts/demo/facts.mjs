// A step of the demo: names what is to be packed, and makes the folder for it.
import { mkdirSync, readFileSync } from "node:fs";
import { output } from "./outputs.mjs";

const [folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const { name, version } = JSON.parse(readFileSync("package.json", "utf8"));
output({ name, version, node: process.version });
