// What an exported pack holds, judged as it goes by: artifacts against their evidence, waivers against their envelopes, verdicts, and the
// chain of records. Not here: whether the archive is whose it says, and whether all of it fits together, see verify.ts.
import { digestIn } from "../../domain/artifact.ts";
import { ID_PREFIX } from "../../domain/id.ts";
import { declaredDigest } from "../../domain/release/evidence.ts";
import {
  evidenceFile,
  PACK_ARTIFACTS,
  RELEASED_NAMED,
  WAIVER_MEMBERS,
  WAIVER_PREDICATE_TYPE,
  WAIVERS_SHOWN,
} from "../../domain/release/pack-files.ts";
import type { PackList } from "../../domain/release/pack-files.ts";
import { recordCheck } from "../../domain/release/pack-record.ts";
import { IN_TOTO_PAYLOAD_TYPE, keyIdOf, readEnvelope, STATEMENT_TYPE, verifyEnvelope } from "../../support/dsse.ts";
import type { Subject } from "../../support/dsse.ts";
import { uuidOf } from "../../support/typeid.ts";
import { at, isObject, listAt, parseJson, same, textAt } from "./json.ts";
import type { PackHearer } from "./read.ts";

/** What a waiver lifts, and until when. */
interface Waived {
  readonly rule: string;
  /** Null for all artifacts. */
  readonly artifactId: unknown;
  readonly isRevoked: boolean;
  readonly expiresMs: number;
}

export interface PackKey {
  readonly keyId: string;
  readonly publicPem: string;
}

const MOST_KEYS = 1_000;
/** The last moment that has a text. */
const LAST_MS = 8.64e15;

/** What the lists come to; of each part what is wrong with it first, if anything is. */
export class PackContents implements PackHearer {
  readonly problems = new Map<PackList | "keys" | "evidence", string>();
  readonly signingKeys: PackKey[] = [];
  readonly records = recordCheck();
  readonly counts: Record<PackList, number> = { artifacts: 0, waivers: 0, verdicts: 0, records: 0 };
  readonly failedRules = new Set<string>();
  /** Of the artifacts that the gate judged, those that are to be released, as statements name them. */
  readonly released: Subject[] = [];
  /** When the first of the waivers that lift something counts no more. */
  firstExpiryMs = Infinity;
  /** Files of evidence, by name: whether it was there, and which digests artifacts say it has. */
  readonly #evidence = new Map<string, { isThere: boolean; readonly declared: Map<string, string> }>();
  readonly #runs = new Set<string>();
  readonly #artifactIds = new Set<string>();
  readonly #waivers = new Map<string, Waived>();

  get evidenceFiles(): number {
    return this.#evidence.size;
  }

  /** Runs that artifacts and waivers are of: one at the most, in a pack that is right. */
  get runs(): readonly string[] {
    return [...this.#runs];
  }

  keys(value: unknown): void {
    const keys = listAt(value, "keys");
    if (keys.length === 0 || keys.length > MOST_KEYS) this.#wrong("keys", "there are no keys in it");
    for (const key of keys.slice(0, MOST_KEYS)) {
      const keyId = textAt(key, "key_id");
      const publicPem = textAt(key, "public_key_pem");
      if (idOfKey(publicPem) === keyId) this.signingKeys.push({ keyId, publicPem });
      else this.#wrong("keys", `a key is not the one that it is named: ${keyId}`);
    }
  }

  line(list: PackList, value: unknown): void {
    this.counts[list] += 1;
    // What follows something that is wrong is not looked at: there is nothing to be learnt from it.
    if (this.problems.has(list)) return;
    const problem = this.#judge(list, value);
    if (problem !== null) this.#wrong(list, problem);
  }

  algorithmsFor(name: string): readonly string[] {
    return [...(this.#evidence.get(name)?.declared.keys() ?? [])].filter((algorithm) => algorithm !== "sha256");
  }

  evidence(name: string, digests: Readonly<Record<string, string>>): void {
    const known = this.#evidence.get(name);
    if (known === undefined) return this.#wrong("evidence", `${name} is the content of none of the artifacts`);
    known.isThere = true;
    if (evidenceFile(`sha256:${digests["sha256"] ?? ""}`) !== name)
      return this.#wrong("evidence", `${name} has another digest than its name says`);
    for (const [algorithm, hex] of known.declared)
      if (digests[algorithm] !== hex) this.#wrong("evidence", `${name} is not what its artifact's content_hash says`);
  }

  /** Once everything went by. */
  finish(): void {
    const missing = [...this.#evidence].find(([, { isThere }]) => !isThere);
    if (missing !== undefined) this.#wrong("evidence", `${missing[0]} is missing`);
  }

  #judge(list: PackList, value: unknown): string | null {
    switch (list) {
      case "artifacts":
        return this.#artifact(value);
      case "waivers":
        return this.#waiver(value);
      case "verdicts":
        return this.#verdict(value);
      case "records":
        return this.records.take(value, (id) => uuidOf(id, ID_PREFIX.record));
    }
  }

  #artifact(value: unknown): string | null {
    const id = textAt(value, "id");
    if (uuidOf(id, ID_PREFIX.runArtifact) === undefined) return "an artifact has no id";
    if (this.#artifactIds.has(id)) return `${id} is there twice`;
    if (this.#artifactIds.size >= PACK_ARTIFACTS) return `there are more than ${PACK_ARTIFACTS} artifacts`;
    this.#artifactIds.add(id);
    this.#runs.add(textAt(value, "run_id"));
    const declared = declaredDigest(textAt(value, "content_hash"));
    const isJudged = at(value, "judged");
    if (typeof isJudged !== "boolean") return `of ${id} it is not said whether the gate judged it`;
    if (isJudged && textAt(value, "kind") === "other" && declared.ok && this.released.length < RELEASED_NAMED)
      this.released.push({ name: id, digest: { [declared.algorithm]: declared.hex } });
    const file = at(value, "evidence");
    if (file === null) return null;
    const digest = digestIn(textAt(value, "path_or_uri"));
    if (digest === undefined || file !== evidenceFile(digest)) return `the evidence of ${id} is not what it points to`;
    const known = this.#evidence.get(file) ?? { isThere: false, declared: new Map<string, string>() };
    this.#evidence.set(file, known);
    if (!declared.ok) return null;
    if ((known.declared.get(declared.algorithm) ?? declared.hex) !== declared.hex)
      return `two artifacts say different things of ${file}`;
    known.declared.set(declared.algorithm, declared.hex);
    return null;
  }

  #waiver(value: unknown): string | null {
    const id = textAt(value, "waiver_id");
    if (uuidOf(id, ID_PREFIX.waiver) === undefined) return "a waiver has no id";
    if (this.#waivers.has(id)) return `${id} is there twice`;
    if (this.#waivers.size >= WAIVERS_SHOWN) return `there are more than ${WAIVERS_SHOWN} waivers`;
    const expiresMs = at(value, "expires_ms");
    if (typeof expiresMs !== "number" || !(Math.abs(expiresMs) <= LAST_MS)) return `${id} expires at no time`;
    const [rule, artifactId] = [textAt(value, "rule"), at(value, "artifact_id")];
    this.#waivers.set(id, { rule, artifactId, isRevoked: at(value, "revoked_ms") !== null, expiresMs });
    this.#runs.add(textAt(value, "run_id"));
    const envelope = readEnvelope(JSON.stringify(at(value, "envelope") ?? null));
    const signed = envelope === undefined ? undefined : verifyEnvelope(envelope, this.signingKeys);
    if (signed === undefined || envelope?.payloadType !== IN_TOTO_PAYLOAD_TYPE)
      return `${id} is signed by none of the keys`;
    const statement = parseJson(signed.payload.toString("utf8"));
    if (textAt(statement, "_type") !== STATEMENT_TYPE || textAt(statement, "predicateType") !== WAIVER_PREDICATE_TYPE)
      return `what was signed of ${id} is no waiver`;
    const predicate = at(statement, "predicate");
    if (!isObject(predicate) || textAt(predicate, "waiver_id") !== id)
      return `what was signed of ${id} is another waiver`;
    if (!same(Object.keys(predicate).toSorted(), WAIVER_MEMBERS)) return `what was signed of ${id} is not all of it`;
    const other = Object.keys(predicate).find((name) => !same(predicate[name], at(value, name)));
    return other === undefined ? null : `${other} of ${id} is not what was signed`;
  }

  #verdict(value: unknown): string | null {
    const rule = textAt(value, "rule");
    switch (textAt(value, "state")) {
      case "passed":
      case "not_applicable":
        return null;
      case "failed":
        this.failedRules.add(rule.slice(0, 128));
        return this.failedRules.size > MOST_KEYS ? "more rules failed than there are" : null;
      case "waived": {
        const waiver = this.#waivers.get(textAt(value, "waiver_id"));
        if (waiver === undefined) return `${rule} is waived, and the waiver is not there`;
        if (waiver.rule !== rule || (waiver.artifactId !== null && waiver.artifactId !== at(value, "artifact_id")))
          return `${rule} is waived by a waiver of something else`;
        this.firstExpiryMs = Math.min(this.firstExpiryMs, waiver.expiresMs);
        return waiver.isRevoked ? `${rule} is waived by a waiver that was taken back` : null;
      }
      default:
        return `${rule} says nothing that a rule says`;
    }
  }

  #wrong(part: PackList | "keys" | "evidence", problem: string): void {
    if (!this.problems.has(part)) this.problems.set(part, problem);
  }
}

function idOfKey(publicPem: string): string | undefined {
  try {
    return keyIdOf(publicPem);
  } catch {
    return undefined;
  }
}
