// A step of the demo: packs what the build step built; without scripts, which would build it again.
import { join } from "node:path";
import { artifact, npm, output } from "./outputs.mjs";

const [folder] = process.argv.slice(2);
const packed = JSON.parse(npm("pack", "--json", "--ignore-scripts", "--pack-destination", folder));
const [{ filename, size, entryCount }] = Array.isArray(packed) ? packed : Object.values(packed);
artifact("tarball", join(folder, filename), "application/gzip");
output({ tarball: filename, bytes: size, files: entryCount });
