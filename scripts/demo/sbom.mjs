// A step of the demo: writes the bill of materials, as npm knows it from what is installed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { npm, output } from "./outputs.mjs";

const [folder, version] = process.argv.slice(2);
const text = npm("sbom", "--sbom-format", "cyclonedx", "--omit", "dev");
const { bomFormat, metadata, components } = JSON.parse(text);
if (bomFormat !== "CycloneDX" || metadata.component.version !== version)
  throw new Error("this is not the bill of this project");
const file = "sbom.cdx.json";
writeFileSync(join(folder, file), text);
output({ file, components: components.length });
