// A step of the demo: writes the bill of materials, as npm knows it from what is installed, of the tarball and no other.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifact, npm, output, sha256 } from "./outputs.mjs";

const [folder, version, tarball] = process.argv.slice(2);
const bill = JSON.parse(npm("sbom", "--sbom-format", "cyclonedx", "--omit", "dev"));
const { bomFormat, metadata, components } = bill;
if (bomFormat !== "CycloneDX" || metadata.component.version !== version)
  throw new Error("this is not the bill of this project");
// npm names it after the folder, and knows nothing of what is packed of it.
metadata.component.name = "maestro";
metadata.component.hashes = [{ alg: "SHA-256", content: sha256(join(folder, tarball)) }];
const file = "sbom.cdx.json";
writeFileSync(join(folder, file), `${JSON.stringify(bill, null, 2)}\n`);
artifact("sbom", join(folder, file), "application/vnd.cyclonedx+json");
output({ file, components: components.length });
