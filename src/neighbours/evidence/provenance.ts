// Provenance: DSSE envelopes, alone, in lines or in a bundle, around in-toto statements. Not here: what the gate makes of them.
import type { TrustedBuilder } from "../../domain/charter.ts";
import type { JsonObject } from "../../domain/json.ts";
import { strongDigests } from "../../domain/release/evidence.ts";
import type { EnvelopeFinding, ProvenanceFinding } from "../../domain/release/evidence.ts";
import { IN_TOTO_PAYLOAD_TYPE, readEnvelope, verifyEnvelope } from "../../support/dsse.ts";
import type { Envelope } from "../../support/dsse.ts";
import { jsonObject, objectIn, objectsIn, textIn, textsOf } from "./json.ts";
import { ENVELOPES, NAME_LENGTH, SUBJECTS } from "./limits.ts";
import { EvidenceError } from "./unpack.ts";

const STATEMENTS: ReadonlySet<string> = new Set([
  "https://in-toto.io/Statement/v0.1",
  "https://in-toto.io/Statement/v1",
]);

export function readProvenance(text: string, builders: readonly TrustedBuilder[]): ProvenanceFinding {
  let subjects = 0;
  const count = (more: number): void => {
    subjects += more;
    if (subjects > SUBJECTS) throw new EvidenceError(`it has more than ${SUBJECTS} subjects`);
  };
  return { state: "READ", envelopes: envelopeTexts(text).map((one) => readOne(one, builders, count)) };
}

/** One document, or one of them a line. */
function envelopeTexts(text: string): readonly string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new EvidenceError("there is nothing in it");
  const [first = ""] = lines;
  // A document over several lines does not close in its first one.
  const isLines = lines.length > 1 && first.trimEnd().endsWith("}") && first.trimStart().startsWith("{");
  if (!isLines) return [text];
  if (lines.length > ENVELOPES) throw new EvidenceError(`it has more than ${ENVELOPES} envelopes`);
  return lines;
}

function readOne(
  text: string,
  builders: readonly TrustedBuilder[],
  count: (subjects: number) => void,
): EnvelopeFinding {
  const document = jsonObject(text);
  const bundled = objectIn(document, "dsseEnvelope");
  const envelope = readEnvelope(bundled === undefined ? text : JSON.stringify(bundled));
  if (envelope === undefined) throw new EvidenceError("it is no DSSE envelope");
  if (envelope.payloadType !== IN_TOTO_PAYLOAD_TYPE)
    throw new EvidenceError(
      `its envelope holds ${JSON.stringify(envelope.payloadType.slice(0, 100))}, not ${IN_TOTO_PAYLOAD_TYPE}`,
    );
  const statement = jsonObject(payloadOf(envelope));
  if (!STATEMENTS.has(textIn(statement, "_type"))) throw new EvidenceError("its envelope holds no in-toto statement");
  expectBuild(statement);
  const subjects = objectsIn(statement, "subject");
  count(subjects.length);
  const [builderId, predicateType] = [builderOf(statement), textIn(statement, "predicateType")];
  if (builderId.length > NAME_LENGTH || predicateType.length > NAME_LENGTH)
    throw new EvidenceError(`it has a builder or a predicate type of more than ${NAME_LENGTH} characters`);
  const signedBy = builders.filter(({ publicKeys }) => isSigned(envelope, publicKeys)).map(({ id }) => id);
  return {
    signedBy,
    builderId,
    predicateType,
    // Nobody asks what others speak of: it would be kept for nothing.
    subjects: signedBy.includes(builderId) ? subjects.map(subjectOf) : [],
  };
}

function subjectOf(one: JsonObject): EnvelopeFinding["subjects"][number] {
  return {
    name: textIn(one, "name").slice(0, NAME_SHOWN),
    digests: strongDigests(textsOf(objectIn(one, "digest"))),
  };
}
/** It binds to nothing: people read it. */
const NAME_SHOWN = 256;

function payloadOf(envelope: Envelope): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(envelope.payload, "base64"));
  } catch {
    throw new EvidenceError("its statement is not UTF-8");
  }
}

function isSigned(envelope: Envelope, publicKeys: readonly string[]): boolean {
  return (
    verifyEnvelope(
      envelope,
      publicKeys.map((publicPem) => ({ publicPem })),
    ) !== undefined
  );
}

/** What SLSA asks of a predicate of its own: without it nothing is said of how anything was built. */
function expectBuild(statement: JsonObject): void {
  const type = textIn(statement, "predicateType");
  const predicate = objectIn(statement, "predicate");
  const isV1 = type === "https://slsa.dev/provenance/v1";
  if (!isV1 && type !== "https://slsa.dev/provenance/v0.2") return;
  const build = isV1 ? objectIn(predicate, "buildDefinition") : predicate;
  const place = isV1 ? "predicate.buildDefinition" : "predicate";
  if (build === undefined) throw new EvidenceError(`its statement has no ${place}`);
  if (textIn(build, "buildType") === "") throw new EvidenceError(`its statement has no ${place}.buildType`);
  if (isV1 && objectIn(build, "externalParameters") === undefined)
    throw new EvidenceError(`its statement has no ${place}.externalParameters`);
}

/** Where each version of SLSA's predicate names its builder; empty for other predicates. */
function builderOf(statement: JsonObject): string {
  const predicate = objectIn(statement, "predicate");
  switch (textIn(statement, "predicateType")) {
    case "https://slsa.dev/provenance/v1":
      return textIn(objectIn(objectIn(predicate, "runDetails"), "builder"), "id");
    case "https://slsa.dev/provenance/v0.2":
      return textIn(objectIn(predicate, "builder"), "id");
    default:
      return "";
  }
}
