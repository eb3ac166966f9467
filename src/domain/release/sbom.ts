// Rules about bills of materials. Not here: reading them, see neighbours/evidence.
import type { RunArtifactId } from "../id.ts";
import { byContent, strongDigests } from "./evidence.ts";
import type { Digests, Finding, SbomFinding, SbomSubject } from "./evidence.ts";
import type { JudgedArtifact, Released, Verdict } from "./gate.ts";
import { checksumsOf } from "./purl.ts";
import { failed, notApplicable, passed } from "./verdicts.ts";

export function sbomVerdicts(
  artifacts: readonly JudgedArtifact[],
  findings: ReadonlyMap<RunArtifactId, Finding>,
  released: readonly Released[],
): readonly Verdict[] {
  if (artifacts.length === 0)
    return [
      failed("sbom.present", "there is no artifact of kind sbom"),
      notApplicable("sbom.valid", "there is no artifact of kind sbom"),
      notApplicable("sbom.subject", "there is no artifact of kind sbom"),
    ];
  // Artifacts of one address have what was found in common: it is looked at once.
  const isReleased = byContent(released);
  const looked = new Map<SbomFinding | null, Verdict>();
  const lookedAt = (sbom: SbomFinding | null): Verdict => {
    const verdict = looked.get(sbom) ?? describes(sbom, (digests) => isReleased(digests) !== undefined);
    looked.set(sbom, verdict);
    return verdict;
  };
  return [
    passed("sbom.present", `${String(artifacts.length)} artifact(s) of kind sbom`),
    ...artifacts.map(({ artifactId }) => valid(artifactId, findings.get(artifactId))),
    ...artifacts.map(({ artifactId }) => ({ ...lookedAt(findings.get(artifactId)?.sbom ?? null), artifactId })),
  ];
}

function valid(artifactId: RunArtifactId, finding: Finding | undefined): Verdict {
  const rule = "sbom.valid";
  if (finding?.content.state !== "READ")
    return failed(rule, `it cannot be read: ${finding?.content.explanation ?? "it was not read"}`, { artifactId });
  const { sbom } = finding;
  if (sbom === null) return failed(rule, "it was not read", { artifactId });
  if (sbom.state === "INVALID") return failed(rule, `it is no valid SBOM: ${sbom.explanation}`, { artifactId });
  const about = { artifactId, evidence: { format: sbom.format, components: String(sbom.components) } };
  if (sbom.components === 0 && !sbom.explicitlyNone)
    return failed(rule, "it names no components, and does not say that there are none", about);
  return passed(rule, `${sbom.format} with ${String(sbom.components)} component(s)`, about);
}

/** A subject that names digests must be something that is released; one that names none binds to nothing. */
function describes(sbom: SbomFinding | null, isReleased: (digests: Digests) => boolean): Verdict {
  const rule = "sbom.subject";
  if (sbom?.state !== "VALID") return failed(rule, "it cannot be told what it describes");
  const named = sbom.subjects.map((subject) => ({ subject, digests: digestsOf(subject) }));
  const bound = named.filter(({ digests }) => Object.keys(digests).length > 0);
  const [first] = named;
  if (bound.length === 0)
    return notApplicable(rule, "it names no digest of what it describes", {
      evidence: first === undefined ? {} : evidenceOf(first.subject),
    });
  const stranger = bound.find(({ digests }) => !isReleased(digests));
  if (stranger !== undefined)
    return failed(rule, `what it describes, ${textOf(stranger.subject)}, is none of the artifacts to be released`, {
      evidence: { ...evidenceOf(stranger.subject), ...stranger.digests },
    });
  return passed(rule, `it describes ${textsOf(bound)}, which is released`, {
    evidence: evidenceOf(bound[0]?.subject ?? { name: "", version: "", purl: "", digests: {} }),
  });
}

/** The first of them, and how many more. */
function textsOf(bound: readonly { readonly subject: SbomSubject }[]): string {
  const shown = bound.slice(0, SHOWN).map(({ subject }) => textOf(subject));
  const more = bound.length - shown.length;
  return `${shown.join(", ")}${more > 0 ? ` and ${String(more)} more` : ""}`;
}
const SHOWN = 10;

/** Those it states, and those in the `checksum` of its purl. */
function digestsOf({ digests, purl }: SbomSubject): Digests {
  return strongDigests({ ...Object.fromEntries(checksumsOf(purl)), ...digests });
}

function textOf({ name, version, purl }: SbomSubject): string {
  return purl !== "" ? purl : `${name}${version === "" ? "" : `@${version}`}`;
}

function evidenceOf({ name, version, purl }: SbomSubject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries({ name, version, purl }).flatMap(([key, value]) => (value === "" ? [] : [[key, value] as const])),
  );
}
