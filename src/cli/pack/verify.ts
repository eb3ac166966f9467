// Verifies an exported pack: without a server, a network or settings. Every check is made that can be; each says what it found. Not here: how
// the archive is read (read.ts), what its lists hold (contents.ts), and how the verdict is shown.
import { ID_PREFIX } from "../../domain/id.ts";
import {
  GATE_FILE,
  MANIFEST_FILE,
  PACK_FORMAT,
  PACK_PREDICATE_TYPE,
  PACK_VERSION,
  STATEMENT_FILE,
  VSA_PREDICATE_TYPE,
} from "../../domain/release/pack-files.ts";
import { counted } from "../../support/counted.ts";
import { IN_TOTO_PAYLOAD_TYPE, keyIdOf, readEnvelope, STATEMENT_TYPE, verifyEnvelope } from "../../support/dsse.ts";
import { isoTime } from "../../support/clock.ts";
import { ArchiveError } from "../../support/tar.ts";
import { uuidOf } from "../../support/typeid.ts";
import { PackContents } from "./contents.ts";
import type { PackKey } from "./contents.ts";
import { at, listAt, parseJson, same, textAt } from "./json.ts";
import { readPack } from "./read.ts";
import type { PackRead } from "./read.ts";

/** What whoever verifies knows of the key beforehand: it, its id, or nothing. */
export type Trust =
  | { readonly kind: "KEY"; readonly publicPem: string }
  | { readonly kind: "KEY_ID"; readonly keyId: string }
  | { readonly kind: "NONE" };

export const PACK_CHECKS = [
  "archive",
  "signature",
  "files",
  "manifest",
  "artifacts",
  "evidence",
  "waivers",
  "records",
  "gate",
] as const;
export type PackCheckName = (typeof PACK_CHECKS)[number];

export interface PackCheck {
  readonly check: PackCheckName;
  readonly ok: boolean;
  /** Whether it could be made: what is not known to be signed says nothing of anything else. */
  readonly checked: boolean;
  /** For people; one sentence without its full stop. */
  readonly found: string;
}

export interface PackVerdict {
  readonly ok: boolean;
  /** The key that signed, once that is known. */
  readonly keyId: string;
  readonly checks: readonly PackCheck[];
  /** What the manifest says; undefined when there is none to be believed. */
  readonly manifest: unknown;
}

/** Never throws for what is in the bytes. */
export async function verifyPack(packed: AsyncIterable<Uint8Array>, trust: Trust): Promise<PackVerdict> {
  const contents = new PackContents();
  let pack: PackRead;
  try {
    pack = await readPack(packed, contents);
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    const checks = [{ check: "archive" as const, ok: false, checked: true, found: error.message }];
    return { ok: false, keyId: "", checks, manifest: undefined };
  }
  contents.finish();
  const checks: PackCheck[] = [];
  const say = (check: PackCheckName, problem: string | undefined, found: string): void =>
    void checks.push({ check, ok: problem === undefined, checked: true, found: problem ?? found });

  say("archive", undefined, `${counted(pack.digests.size, "file")}, ${counted(pack.bytes, "byte")}`);
  const signed = signedText(pack, STATEMENT_FILE, keysOf(trust, contents));
  const statement = parseJson(signed?.text ?? "");
  /** Of checks against the statement. */
  const sayBy = (check: PackCheckName, problem: () => string | undefined, found: string): void => {
    if (signed === undefined) checks.push({ check, ok: false, checked: false, found: NOT_CHECKED });
    else say(check, problem(), found);
  };
  say("signature", signatureProblem(signed, trust, contents), `signed by ${signed?.keyId ?? ""}`);
  sayBy("files", () => filesProblem(pack, statement), "each is the one that was signed, and there is none besides");
  const manifest = parseJson(pack.documents.get(MANIFEST_FILE) ?? "");
  sayBy(
    "manifest",
    () => manifestProblem(manifest, statement, contents),
    "it fits the statement and what is in the archive",
  );
  const { counts, problems, evidenceFiles, records } = contents;
  say("artifacts", problems.get("artifacts"), counted(counts.artifacts, "artifact"));
  say("evidence", problems.get("evidence"), `${counted(evidenceFiles, "file")} with the digests that artifacts say`);
  say("waivers", problems.get("waivers"), `${counted(counts.waivers, "waiver")}, each as it was signed`);
  say(
    "records",
    problems.get("records") ?? recordsProblem(manifest, contents),
    recordsFound(manifest, records.trail()),
  );
  sayBy(
    "gate",
    () => problems.get("verdicts") ?? gateProblem(pack, manifest, statement, contents, signed?.key),
    gateFound(manifest),
  );
  return { ok: checks.every(({ ok }) => ok), keyId: signed?.keyId ?? "", checks, manifest };
}

const NOT_CHECKED = "not checked: what it is held against is not known to be signed";

interface Signed {
  readonly text: string;
  readonly key: PackKey;
  readonly keyId: string;
}

function keysOf(trust: Trust, { signingKeys }: PackContents): readonly PackKey[] {
  switch (trust.kind) {
    case "KEY":
      return [{ keyId: keyIdOf(trust.publicPem), publicPem: trust.publicPem }];
    case "KEY_ID":
      return signingKeys.filter(({ keyId }) => keyId === trust.keyId);
    case "NONE":
      return signingKeys;
  }
}

/** What an envelope among the files holds, if one of the keys signed it, and it is written in the one way that we write. */
function signedText({ documents }: PackRead, name: string, keys: readonly PackKey[]): Signed | undefined {
  const text = documents.get(name) ?? "";
  const envelope = readEnvelope(text);
  if (envelope === undefined || JSON.stringify(envelope) !== text || envelope.signatures.length !== 1) return undefined;
  if (envelope.payloadType !== IN_TOTO_PAYLOAD_TYPE) return undefined;
  const verified = verifyEnvelope(envelope, keys);
  if (verified === undefined || envelope.signatures[0]?.keyid !== verified.key.keyId) return undefined;
  return { text: verified.payload.toString("utf8"), key: verified.key, keyId: verified.key.keyId };
}

function signatureProblem(signed: Signed | undefined, trust: Trust, contents: PackContents): string | undefined {
  if (signed === undefined)
    return trust.kind === "NONE"
      ? "its statement is signed by none of the keys in it"
      : "its statement is not signed by the key that was given";
  return contents.problems.get("keys");
}

function filesProblem({ digests }: PackRead, statement: unknown): string | undefined {
  if (textAt(statement, "_type") !== STATEMENT_TYPE || textAt(statement, "predicateType") !== PACK_PREDICATE_TYPE)
    return "nothing that is signed says what the files are";
  const left = new Map(digests);
  left.delete(STATEMENT_FILE);
  for (const subject of listAt(statement, "subject")) {
    const name = textAt(subject, "name");
    const digest = left.get(name);
    if (digest === undefined) return `${name} was signed, and is missing`;
    if (textAt(subject, "digest", "sha256") !== digest) return `${name} is not the one that was signed`;
    left.delete(name);
  }
  const [more] = left.keys();
  return more === undefined ? undefined : `${more} was not signed`;
}

function manifestProblem(manifest: unknown, statement: unknown, contents: PackContents): string | undefined {
  if (at(manifest, "format") !== PACK_FORMAT || at(manifest, "version") !== PACK_VERSION)
    return `it is no ${PACK_FORMAT} of version ${PACK_VERSION}`;
  const run = textAt(manifest, "run", "id");
  const predicate = at(statement, "predicate");
  const agree: readonly (readonly [string, unknown, unknown])[] = [
    ["exported_at", at(manifest, "exported_at"), at(predicate, "exported_at")],
    ["org_id", at(manifest, "org_id"), at(predicate, "org_id")],
    ["run.id", run, at(predicate, "run_id")],
    ["run.plan_id", at(manifest, "run", "plan_id"), at(predicate, "plan_id")],
    ["disclosure_pack.id", at(manifest, "disclosure_pack", "id"), at(predicate, "pack_id")],
    ["disclosure_pack.run_id", at(manifest, "disclosure_pack", "run_id"), run],
    ["release_gate.run_id", at(manifest, "release_gate", "run_id"), run],
    ["compliance_report.run_id", at(manifest, "compliance_report", "run_id"), run],
    ["disclosure_pack.artifacts", at(manifest, "disclosure_pack", "artifacts"), contents.counts.artifacts],
    ["artifacts.count", at(manifest, "artifacts", "count"), contents.counts.artifacts],
    ["artifacts.evidence.files", at(manifest, "artifacts", "evidence", "files"), contents.evidenceFiles],
    ["waivers.count", at(manifest, "waivers", "count"), contents.counts.waivers],
    ["release_gate.verdicts", at(manifest, "release_gate", "verdicts"), contents.counts.verdicts],
  ];
  const other = agree.find(([, said, found]) => said === undefined || said !== found);
  if (other !== undefined) return `${other[0]} in it is not what the archive holds`;
  const stranger = contents.runs.find((id) => id !== run);
  return stranger === undefined ? undefined : `an artifact or a waiver in it is of ${stranger}, not of ${run}`;
}

function recordsProblem(manifest: unknown, { counts, records }: PackContents): string | undefined {
  const told = at(manifest, "records");
  const { count, org, stream, withheldBodies } = records.trail();
  if (at(told, "count") !== counts.records)
    return `there are ${counted(counts.records, "record")}, and the manifest says ${String(at(told, "count"))}`;
  const plan = at(manifest, "run", "plan_id");
  if (at(told, "kind") === "told")
    return plan === null && count === 0 ? undefined : "the run is told of, and yet it has a plan or records";
  const own = typeof plan === "string" ? uuidOf(plan, ID_PREFIX.plan) : undefined;
  if (own === undefined || at(told, "stream") !== own || (stream !== "" && stream !== own))
    return "they are of another plan";
  const owner = uuidOf(textAt(manifest, "org_id"), ID_PREFIX.org);
  if (owner === undefined || at(told, "org") !== owner || (org !== "" && org !== owner))
    return "they are of another org";
  return at(told, "withheld_bodies") === withheldBodies
    ? undefined
    : "other bodies are withheld than the manifest says";
}

function recordsFound(
  manifest: unknown,
  { count, withheldBodies, withheldHeaders }: ReturnType<PackContents["records"]["trail"]>,
): string {
  if (at(manifest, "records", "kind") === "told") return "none: the run is told of, and has no plan";
  const withheld = withheldBodies === 0 ? "" : `; ${counted(withheldBodies, "body", "bodies")} withheld`;
  const headers = withheldHeaders === 0 ? "" : `, ${counted(withheldHeaders, "header")} as well`;
  return `1 to ${count} without a gap, each with its leaf${withheld}${headers}`;
}

function gateProblem(
  pack: PackRead,
  manifest: unknown,
  statement: unknown,
  { failedRules, firstExpiryMs, released: judged }: PackContents,
  key: PackKey | undefined,
): string | undefined {
  const signed = key === undefined ? undefined : signedText(pack, GATE_FILE, [key]);
  if (signed === undefined) return "its summary is not signed by the key that signed the statement";
  const summary = parseJson(signed.text);
  if (textAt(summary, "_type") !== STATEMENT_TYPE || textAt(summary, "predicateType") !== VSA_PREDICATE_TYPE)
    return "its summary is none of a verification";
  const gate = at(manifest, "release_gate");
  const passed = at(gate, "passed");
  const released = listAt(statement, "predicate", "released");
  const subjects = [{ name: MANIFEST_FILE, digest: { sha256: pack.digests.get(MANIFEST_FILE) ?? "" } }];
  if (textAt(summary, "predicate", "resourceUri") !== `max://run/${textAt(manifest, "run", "id")}`)
    return "its summary is of another run";
  if (at(summary, "predicate", "verificationResult") !== (passed === true ? "PASSED" : "FAILED"))
    return "its summary and the manifest do not agree whether the run may be released";
  if (at(summary, "predicate", "timeVerified") !== at(manifest, "exported_at")) return "its summary is of another time";
  if (!same(at(summary, "subject"), released.length > 0 ? released : subjects))
    return "its summary is of something else than is released";
  if (!same(released, judged)) return "something else is released than the gate judged of the artifacts in the list";
  if (firstExpiryMs !== Infinity && isoTime(firstExpiryMs) <= textAt(manifest, "exported_at"))
    return "a rule is waived by a waiver that had expired";
  if (passed !== (failedRules.size === 0)) return "its verdicts and what it says in all do not agree";
  if (!same([...failedRules].toSorted(), listAt(gate, "details", "failed_rules").toSorted()))
    return "other rules failed than the manifest says";
  return passed === at(manifest, "compliance_report", "release_gate_passed")
    ? undefined
    : "it and the compliance report do not agree";
}

function gateFound(manifest: unknown): string {
  return textAt(manifest, "release_gate", "message");
}
