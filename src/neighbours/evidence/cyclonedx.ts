// CycloneDX as JSON: held against the official schema of its version, and summed up. Not here: CycloneDX as XML.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ValidateFunction } from "ajv";
import type { SbomFinding, SbomSubject } from "../../domain/release/evidence.ts";
import type { JsonObject } from "../../domain/json.ts";
import { agreed } from "./digests.ts";
import { listIn, objectIn, objectsIn, textIn } from "./json.ts";
import { mustMatch, schemaCompiler } from "./schema.ts";
import { EvidenceError } from "./unpack.ts";

export const CYCLONEDX_VERSIONS: readonly string[] = ["1.4", "1.5", "1.6", "1.7"];
/** Components of these kinds are what somebody depends on: which version is half of what an SBOM is for. */
const VERSIONED: ReadonlySet<string> = new Set(["library", "framework"]);

const compiled = new Map<string, ValidateFunction>();

export function readCycloneDx(bom: JsonObject): SbomFinding {
  const version = textIn(bom, "specVersion");
  if (!CYCLONEDX_VERSIONS.includes(version))
    throw new EvidenceError(
      `CycloneDX ${JSON.stringify(version.slice(0, 20))} is not read, but ${CYCLONEDX_VERSIONS.join(", ")}`,
    );
  mustMatch(validatorOf(version), bom, `CycloneDX ${version}`);
  const subject = objectIn(objectIn(bom, "metadata"), "component");
  return {
    state: "VALID",
    format: `CycloneDX ${version} JSON`,
    components: countComponents(bom),
    explicitlyNone:
      Object.hasOwn(bom, "components") &&
      objectsIn(bom, "compositions").some((one) => textIn(one, "aggregate") === "complete"),
    subjects: subject === undefined ? [] : [subjectOf(subject)],
  };
}

/** Components at any depth. */
function countComponents(bom: JsonObject): number {
  let count = 0;
  const open = [...objectsIn(bom, "components")];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    count++;
    expectNamed(textIn(one, "type"), textIn(one, "name"), textIn(one, "version"), textIn(one, "purl"));
    if (listIn(one, "components").length > 0) open.push(...objectsIn(one, "components"));
  }
  return count;
}

/** Of the XML form, too. */
export function expectNamed(type: string, name: string, version: string, purl: string): void {
  if (name.trim() === "") throw new EvidenceError("a component has no name");
  if (VERSIONED.has(type) && version.trim() === "" && !/^pkg:[^?#]*@[^?#]/.test(purl))
    throw new EvidenceError(`component ${JSON.stringify(name.slice(0, 100))} has no version`);
}

function subjectOf(component: JsonObject): SbomSubject {
  const purl = textIn(component, "purl");
  const hashes = objectsIn(component, "hashes").map((hash) => [textIn(hash, "alg"), textIn(hash, "content")] as const);
  return {
    name: textIn(component, "name"),
    version: textIn(component, "version"),
    purl,
    digests: agreed(hashes, purl),
  };
}

/** The official schemas come with the library of CycloneDX. */
function validatorOf(version: string): ValidateFunction {
  const known = compiled.get(version);
  if (known !== undefined) return known;
  const library = createRequire(import.meta.url).resolve("@cyclonedx/cyclonedx-library/package.json");
  const schema = (name: string): object =>
    JSON.parse(readFileSync(join(dirname(library), "res", "schema", `${name}.SNAPSHOT.schema.json`), "utf8")) as object;
  const ajv = schemaCompiler();
  for (const name of ["jsf-0.82", "spdx", "cryptography-defs"])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  const validate = ajv.compile(schema(`bom-${version}`));
  compiled.set(version, validate);
  return validate;
}
