// CycloneDX as XML, read event by event: nothing is built of it but what is summed up, and nothing in it is expanded or fetched.
// Not here: its schema; what its readers need is asked for, and the rest is let stand.
import { SaxesParser } from "saxes";
import type { SbomFinding, SbomSubject } from "../../domain/release/evidence.ts";
import { CYCLONEDX_VERSIONS, expectNamed } from "./cyclonedx.ts";
import { agreed, expectDigest } from "./digests.ts";
import type { NamedDigest } from "./digests.ts";
import { XML_DEPTH, XML_NODES } from "./limits.ts";
import { EvidenceError } from "./unpack.ts";

const NAMESPACE = "http://cyclonedx.org/schema/bom/";
/** Characters that are kept of one text: names and digests have fewer. */
const TEXT_LIMIT = 65_536;

/** A component while it is read. */
interface Open {
  readonly depth: number;
  readonly type: string;
  readonly isSubject: boolean;
  readonly fields: Map<string, string>;
  readonly hashes: NamedDigest[];
}

export function readCycloneDxXml(text: string): SbomFinding {
  let version = "";
  let nodes = 0;
  let components = 0;
  const seen = { list: false, complete: false };
  let content = "";
  let algorithm = "";
  const path: string[] = [];
  const open: Open[] = [];
  const subjects: SbomSubject[] = [];
  const count = (): void => {
    if (++nodes > XML_NODES) throw new EvidenceError(`it has more than ${XML_NODES} nodes`);
  };

  const parser = new SaxesParser({ xmlns: true, position: false });
  parser.on("error", (error) => {
    throw new EvidenceError(`it is not XML: ${error.message.slice(0, 200)}`);
  });
  // Entities are declared in document types, and others' files are named there: neither is anything that an SBOM needs.
  parser.on("doctype", () => {
    throw new EvidenceError("it has a document type, which is not read");
  });
  parser.on("processinginstruction", count);
  parser.on("comment", count);
  parser.on("text", (piece) => {
    count();
    if (content.length < TEXT_LIMIT) content += piece;
  });
  parser.on("cdata", (piece) => {
    count();
    if (content.length < TEXT_LIMIT) content += piece;
  });
  parser.on("opentag", ({ local, uri, attributes }) => {
    count();
    for (const _ in attributes) count();
    if (path.length >= XML_DEPTH) throw new EvidenceError(`it nests deeper than ${XML_DEPTH}`);
    if (path.length === 0) version = versionOf(local, uri);
    // Extensions have namespaces of their own, and names that may be the same.
    const name = uri === NAMESPACE + version ? local : `?${local}`;
    const parent = path.at(-1);
    path.push(name);
    content = "";
    if (name === "components" && path.length === 2) seen.list = true;
    if (name === "hash") algorithm = valueOf(attributes, "alg");
    const isSubject = name === "component" && path.length === 3 && parent === "metadata";
    // Tools, too, are told as components: they are no part of what is described.
    if (isSubject || (name === "component" && parent === "components" && path[1] === "components"))
      open.push({
        depth: path.length,
        type: valueOf(attributes, "type"),
        isSubject,
        fields: new Map(),
        hashes: [],
      });
  });
  parser.on("closetag", () => {
    const depth = path.length;
    const name = path.pop() ?? "";
    const parent = path.at(-1);
    const component = open.at(-1);
    const value = content.trim();
    content = "";
    if (name === "aggregate" && parent === "composition") seen.complete ||= value === "complete";
    if (component === undefined) return;
    if (depth === component.depth + 1) component.fields.set(name, value);
    if (name === "hash" && parent === "hashes" && depth === component.depth + 2) {
      expectDigest([algorithm, value]);
      component.hashes.push([algorithm, value]);
    }
    if (depth !== component.depth) return;
    open.pop();
    const { type, fields, hashes, isSubject } = component;
    const field = (of: string): string => fields.get(of) ?? "";
    if (type === "") throw new EvidenceError("a component has no type");
    expectNamed(isSubject ? "" : type, field("name"), field("version"), field("purl"));
    if (isSubject) {
      const purl = field("purl");
      subjects.push({ name: field("name"), version: field("version"), purl, digests: agreed(hashes, purl) });
    } else components++;
  });
  parser.write(text).close();
  return {
    state: "VALID",
    format: `CycloneDX ${version} XML`,
    components,
    explicitlyNone: seen.list && seen.complete,
    subjects,
  };
}

function valueOf(attributes: Readonly<Record<string, { readonly value: string }>>, name: string): string {
  return Object.hasOwn(attributes, name) ? (attributes[name]?.value ?? "") : "";
}

function versionOf(local: string, uri: string): string {
  const version = uri.startsWith(NAMESPACE) ? uri.slice(NAMESPACE.length) : "";
  if (local !== "bom" || !CYCLONEDX_VERSIONS.includes(version))
    throw new EvidenceError(`it is XML, but no CycloneDX ${CYCLONEDX_VERSIONS.join(", ")}`);
  return version;
}
