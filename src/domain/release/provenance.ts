// Rules about provenance: who signed it, which builder it names, and what it speaks of. Not here: envelopes and their signatures, see
// neighbours/evidence.
import type { RunArtifactId } from "../id.ts";
import { byContent, strongDigests } from "./evidence.ts";
import type { EnvelopeFinding, Finding } from "./evidence.ts";
import type { JudgedArtifact, Released, Verdict } from "./gate.ts";
import { failed, notApplicable, passed } from "./verdicts.ts";

export function provenanceVerdicts(
  artifacts: readonly JudgedArtifact[],
  findings: ReadonlyMap<RunArtifactId, Finding>,
  released: readonly Released[],
  builders: number,
): readonly Verdict[] {
  const none = "there is no artifact of kind slsa_provenance";
  const read = artifacts.map(({ artifactId }) => ({ artifactId, ...envelopesOf(findings.get(artifactId)) }));
  // Artifacts of one address have their envelopes in common.
  const trusted = new Set(read.flatMap(({ envelopes }) => envelopes.filter(isTrusted)));
  const each =
    artifacts.length === 0
      ? [
          failed("provenance.present", none),
          notApplicable("provenance.signature", none),
          notApplicable("provenance.builder", none),
        ]
      : [
          passed("provenance.present", `${String(artifacts.length)} artifact(s) of kind slsa_provenance`),
          ...read.map((one) => signature(one, builders)),
          ...read.map(builder),
        ];
  return [...each, ...subjects(released, trusted)];
}

interface Read {
  readonly artifactId: RunArtifactId;
  readonly envelopes: readonly EnvelopeFinding[];
  /** Why there are none. */
  readonly problem: string;
}

function envelopesOf(finding: Finding | undefined): Omit<Read, "artifactId"> {
  if (finding?.content.state !== "READ")
    return { envelopes: [], problem: `it cannot be read: ${finding?.content.explanation ?? "it was not read"}` };
  const { provenance } = finding;
  if (provenance === null) return { envelopes: [], problem: "it was not read" };
  if (provenance.state === "INVALID")
    return { envelopes: [], problem: `it is no signed provenance: ${provenance.explanation}` };
  return { envelopes: provenance.envelopes, problem: "there is no envelope in it" };
}

/** What an envelope says counts when the builder that it names signed it. */
function isTrusted({ signedBy, builderId }: EnvelopeFinding): boolean {
  return signedBy.includes(builderId);
}

function signature({ artifactId, envelopes, problem }: Read, builders: number): Verdict {
  const rule = "provenance.signature";
  if (envelopes.length === 0) return failed(rule, problem, { artifactId });
  if (builders === 0) return failed(rule, "the charter's release policy trusts no builder", { artifactId });
  const unsigned = envelopes.filter(({ signedBy }) => signedBy.length === 0).length;
  const about = { artifactId, evidence: { envelopes: String(envelopes.length), unverified: String(unsigned) } };
  if (unsigned > 0)
    return failed(rule, `${String(unsigned)} envelope(s) have no signature of a key of a trusted builder`, about);
  return passed(rule, `${String(envelopes.length)} envelope(s) are signed by trusted builders`, about);
}

function builder({ artifactId, envelopes, problem }: Read): Verdict {
  const rule = "provenance.builder";
  if (envelopes.length === 0) return failed(rule, problem, { artifactId });
  const other = envelopes.find((one) => !isTrusted(one));
  if (other !== undefined) {
    const { builderId, signedBy, predicateType } = other;
    const named = builderId === "" ? "no builder" : `builder '${builderId}'`;
    const signer = signedBy.length === 0 ? "nobody who is trusted" : `'${signedBy.join("', '")}'`;
    return failed(rule, `it names ${named}, and was signed by ${signer}`, {
      artifactId,
      evidence: { builder: builderId, predicate_type: predicateType },
    });
  }
  const ids = [...new Set(envelopes.map(({ builderId }) => builderId))];
  return passed(rule, `it was built and signed by ${ids.join(", ")}`, {
    artifactId,
    evidence: { builder: ids.join(","), predicate_type: envelopes[0]?.predicateType ?? "" },
  });
}

/** Every artifact that is released is a subject of some trusted statement, by digest. */
function subjects(released: readonly Released[], trusted: ReadonlySet<EnvelopeFinding>): readonly Verdict[] {
  const rule = "provenance.subject";
  if (released.length === 0)
    return [failed(rule, "there is no artifact of kind other with a full digest: nothing that is released")];
  const subjectOf = byContent(
    [...trusted].flatMap(({ subjects: of, builderId }) =>
      of.map(({ name, digests }) => ({ name, builderId, digests: strongDigests(digests) })),
    ),
  );
  return released.map(({ artifact: { artifactId }, digests }) => {
    const subject = subjectOf(digests);
    if (subject === undefined)
      return failed(rule, "no provenance of a trusted builder speaks of it", {
        artifactId,
        evidence: {
          digests: Object.entries(digests)
            .map(([algorithm, hex]) => `${algorithm}:${hex}`)
            .join(),
        },
      });
    return passed(rule, `built by ${subject.builderId} as '${subject.name}'`, {
      artifactId,
      evidence: { builder: subject.builderId, subject: subject.name },
    });
  });
}
