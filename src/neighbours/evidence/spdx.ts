// SPDX as JSON (2.2, 2.3) and as JSON-LD (3.0): what is mandatory of them, and summed up. Not here: CycloneDX.
import type { ValidateFunction } from "ajv";
import type { JsonObject } from "../../domain/json.ts";
import type { SbomFinding, SbomSubject } from "../../domain/release/evidence.ts";
import { agreed, counts } from "./digests.ts";
import { listIn, objectIn, objectsIn, textIn } from "./json.ts";
import { mustMatch, schemaCompiler } from "./schema.ts";
import { EvidenceError } from "./unpack.ts";

const ID = { type: "string", pattern: "^(DocumentRef-[A-Za-z0-9.+-]+:)?SPDXRef-[A-Za-z0-9.-]+$" };
const FILLED = { type: "string", minLength: 1 };
const TIME = { type: "string", pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$" };
const CHECKSUM = {
  type: "object",
  required: ["algorithm", "checksumValue"],
  properties: { algorithm: FILLED, checksumValue: { type: "string", pattern: "^[0-9a-fA-F]+$" } },
};
const CREATOR = { type: "string", pattern: "^(Person|Organization|Tool): ?." };

/** What SPDX 2.2 and 2.3 make mandatory of documents, packages and relationships. */
const SPDX_2 = {
  type: "object",
  required: ["spdxVersion", "SPDXID", "name", "dataLicense", "documentNamespace", "creationInfo"],
  properties: {
    SPDXID: { const: "SPDXRef-DOCUMENT" },
    name: FILLED,
    dataLicense: { const: "CC0-1.0" },
    documentNamespace: { type: "string", format: "uri" },
    creationInfo: {
      type: "object",
      required: ["created", "creators"],
      properties: { created: TIME, creators: { type: "array", minItems: 1, items: CREATOR } },
    },
    packages: {
      type: "array",
      items: {
        type: "object",
        required: ["SPDXID", "name", "downloadLocation"],
        properties: {
          SPDXID: ID,
          name: FILLED,
          downloadLocation: FILLED,
          versionInfo: { type: "string" },
          checksums: { type: "array", items: CHECKSUM },
        },
      },
    },
    documentDescribes: { type: "array", items: ID },
    relationships: {
      type: "array",
      items: {
        type: "object",
        required: ["spdxElementId", "relationshipType", "relatedSpdxElement"],
        properties: { spdxElementId: FILLED, relationshipType: FILLED, relatedSpdxElement: FILLED },
      },
    },
  },
};

/** What SPDX 3.0 makes mandatory of elements, as far as it is read here. */
const SPDX_3 = {
  type: "object",
  required: ["@context", "@graph"],
  properties: {
    "@context": { type: "string", pattern: "^https://spdx\\.org/rdf/3\\.0\\.\\d+/spdx-context\\.jsonld$" },
    "@graph": {
      type: "array",
      minItems: 1,
      items: {
        type: "object",
        required: ["type"],
        properties: { type: FILLED },
        if: { properties: { type: { const: "CreationInfo" } } },
        then: { required: ["specVersion", "created", "createdBy"], properties: { created: TIME } },
        else: { anyOf: [{ required: ["spdxId"] }, { required: ["@id"] }] },
      },
    },
  },
};

/** Packages that are files or bundles need no version of their own. */
const UNVERSIONED: ReadonlySet<string> = new Set(["FILE", "ARCHIVE", "SOURCE", "OTHER"]);

let validators: { readonly two: ValidateFunction; readonly three: ValidateFunction } | undefined;
function compiled(): { readonly two: ValidateFunction; readonly three: ValidateFunction } {
  if (validators !== undefined) return validators;
  const ajv = schemaCompiler();
  return (validators = { two: ajv.compile(SPDX_2), three: ajv.compile(SPDX_3) });
}

export function readSpdx2(document: JsonObject): SbomFinding {
  const version = textIn(document, "spdxVersion");
  if (version !== "SPDX-2.2" && version !== "SPDX-2.3")
    throw new EvidenceError(`${JSON.stringify(version.slice(0, 20))} is not read, but SPDX-2.2, SPDX-2.3 and SPDX 3.0`);
  mustMatch(compiled().two, document, version);
  const packages = objectsIn(document, "packages");
  const relationships = objectsIn(document, "relationships");
  const described = new Set(listIn(document, "documentDescribes").map(String));
  for (const one of relationships) {
    const [from, to] = [textIn(one, "spdxElementId"), textIn(one, "relatedSpdxElement")];
    const type = textIn(one, "relationshipType");
    if (type === "DESCRIBES" && from === "SPDXRef-DOCUMENT") described.add(to);
    if (type === "DESCRIBED_BY" && to === "SPDXRef-DOCUMENT") described.add(from);
  }
  const isSubject = (one: JsonObject): boolean => described.has(textIn(one, "SPDXID"));
  for (const one of packages) if (!isSubject(one)) expectVersion(one);
  return {
    state: "VALID",
    format: `SPDX ${version.slice(5)} JSON`,
    components: packages.filter((one) => !isSubject(one)).length,
    explicitlyNone: relationships.some(
      (one) =>
        described.has(textIn(one, "spdxElementId")) &&
        /^(DEPENDS_ON|CONTAINS)$/.test(textIn(one, "relationshipType")) &&
        textIn(one, "relatedSpdxElement") === "NONE",
    ),
    subjects: packages.filter(isSubject).map(subjectOf),
  };
}

function expectVersion(one: JsonObject): void {
  if (UNVERSIONED.has(textIn(one, "primaryPackagePurpose"))) return;
  if (textIn(one, "versionInfo") === "" && !/^pkg:[^?#]*@[^?#]/.test(purlOf(one)))
    throw new EvidenceError(`package ${JSON.stringify(textIn(one, "name").slice(0, 100))} has no version`);
}

function purlOf(one: JsonObject): string {
  const ref = objectsIn(one, "externalRefs").find((each) => textIn(each, "referenceType") === "purl");
  return textIn(ref, "referenceLocator");
}

function subjectOf(one: JsonObject): SbomSubject {
  const purl = purlOf(one);
  const sums = objectsIn(one, "checksums").map(
    (sum) => [textIn(sum, "algorithm"), textIn(sum, "checksumValue")] as const,
  );
  return {
    name: textIn(one, "name"),
    version: textIn(one, "versionInfo"),
    purl,
    digests: agreed(sums, purl),
  };
}

export function readSpdx3(document: JsonObject): SbomFinding {
  mustMatch(compiled().three, document, "SPDX 3.0");
  const graph = objectsIn(document, "@graph");
  const idOf = (one: JsonObject): string => textIn(one, "spdxId") || textIn(one, "@id");
  const packages = graph.filter((one) => textIn(one, "type") === "software_Package");
  const roots = new Set(
    graph
      .filter((one) => textIn(one, "type") === "software_Sbom")
      .flatMap((one) => listIn(one, "rootElement").map(String)),
  );
  if (!graph.some((one) => textIn(one, "type") === "SpdxDocument")) throw new EvidenceError("it has no SpdxDocument");
  for (const one of packages)
    if (textIn(one, "name") === "")
      throw new EvidenceError(`package ${JSON.stringify(idOf(one).slice(0, 100))} has no name`);
  const parts = packages.filter((one) => !roots.has(idOf(one)));
  for (const one of parts)
    if (textIn(one, "software_packageVersion") === "" && !/^pkg:[^?#]*@[^?#]/.test(textIn(one, "software_packageUrl")))
      throw new EvidenceError(`package ${JSON.stringify(textIn(one, "name").slice(0, 100))} has no version`);
  return {
    state: "VALID",
    format: "SPDX 3.0 JSON-LD",
    components: parts.length,
    explicitlyNone: graph.some(
      (one) =>
        roots.has(textIn(one, "from")) &&
        textIn(one, "relationshipType") === "dependsOn" &&
        listIn(one, "to").some((to) => typeof to === "string" && /(^|\/|:)NoneElement$/.test(to)),
    ),
    subjects: packages.filter((one) => roots.has(idOf(one))).map(subject3),
  };
}

function subject3(one: JsonObject): SbomSubject {
  const purl = textIn(one, "software_packageUrl");
  const hashes = objectsIn(one, "verifiedUsing")
    .filter((each) => textIn(each, "type") === "Hash")
    .map((hash) => [textIn(hash, "algorithm"), textIn(hash, "hashValue")] as const);
  return {
    name: textIn(one, "name"),
    version: textIn(one, "software_packageVersion"),
    purl,
    // What others are like is for their algorithms to say.
    digests: agreed(hashes.filter(counts), purl),
  };
}

/** Whether a document says of itself that it is one of these. */
export function isSpdx3(document: JsonObject): boolean {
  return objectIn(document, "@context") === undefined && Object.hasOwn(document, "@graph");
}
