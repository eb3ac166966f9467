// Builds the package: TypeScript to JavaScript with declarations under dist/, beside it whatever the sources read at run time,
// and the files that the contract imports. The checkout itself runs from source and needs no build.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeThirdPartyProtos } from "./proto/third-party.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

rmSync(dist, { recursive: true, force: true });

const compiler = join(root, "node_modules/typescript/bin/tsc");
const compiled = spawnSync(process.execPath, [compiler, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
if (compiled.status !== 0) throw new Error("the sources do not compile");

cpSync(join(root, "src"), join(dist, "src"), {
  recursive: true,
  // Documents beside the sources are for those who change them, but for the one that users of the package read.
  filter: (source) =>
    statSync(source).isDirectory() || !/\.(ts|md)$/.test(source) || /\btesting.README\.md$/.test(source),
});

// Swagger UI is needed to look at, not to run: a package brings the three files of it that are served, and what they stand under.
const pages = join(dist, "src/transport/conductor/swagger-ui");
for (const file of [
  "swagger-ui.css",
  "swagger-ui-bundle.js",
  "swagger-ui-bundle.js.LICENSE.txt",
  "favicon-32x32.png",
  "LICENSE",
  "NOTICE",
])
  cpSync(join(root, "node_modules/swagger-ui-dist", file), join(pages, file));

// What the contract imports goes with it: who generates stubs from the package asks no registry.
writeThirdPartyProtos(join(root, "node_modules"), join(root, "build/protos"));

const entries = ["src/main.js", "src/executor/executor.js", "src/testing/testing.js"].filter(
  (path) => !existsSync(join(dist, path)),
);
if (entries.length > 0) throw new Error(`not built: ${entries.join(", ")}`);
