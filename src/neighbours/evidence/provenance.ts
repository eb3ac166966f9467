// Provenance: DSSE envelopes, alone, in lines or in a bundle, around in-toto statements. Not here: what the gate makes of them.
import type { TrustedBuilder } from "../../domain/charter.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { EnvelopeFinding, ProvenanceFinding } from "../../domain/release/evidence.ts";
import { IN_TOTO_PAYLOAD_TYPE, readEnvelope, verifyEnvelope } from "../../support/dsse.ts";
import type { Envelope } from "../../support/dsse.ts";
import { jsonObject, objectIn, objectsIn, textIn, textsOf } from "./json.ts";
import { ENVELOPES, SUBJECTS } from "./limits.ts";
import { EvidenceError } from "./unpack.ts";

const STATEMENTS: ReadonlySet<string> = new Set([
  "https://in-toto.io/Statement/v0.1",
  "https://in-toto.io/Statement/v1",
]);

export function readProvenance(text: string, builders: readonly TrustedBuilder[]): ProvenanceFinding {
  return { state: "READ", envelopes: envelopeTexts(text).map((one) => readOne(one, builders)) };
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

function readOne(text: string, builders: readonly TrustedBuilder[]): EnvelopeFinding {
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
  const subjects = objectsIn(statement, "subject");
  if (subjects.length > SUBJECTS) throw new EvidenceError(`it has more than ${SUBJECTS} subjects`);
  return {
    signedBy: builders.filter(({ publicKeys }) => isSigned(envelope, publicKeys)).map(({ id }) => id),
    builderId: builderOf(statement),
    predicateType: textIn(statement, "predicateType"),
    subjects: subjects.map((one) => ({ name: textIn(one, "name"), digests: textsOf(objectIn(one, "digest")) })),
  };
}

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
