// How much evidence is taken: sizes, depths, counts and times. Not here: what happens beyond them, see each place that reads one.

/** Of one piece of evidence, unpacked: an SBOM of 5,000 components has some 3 MB. */
export const EVIDENCE_BYTES = 33_554_432;
/** Of anything else whose digest is taken. */
export const CONTENT_BYTES = 1_073_741_824;
/** Of one judgement, unpacked. */
export const TOTAL_BYTES = 4_294_967_296;
/** Packed content grows at most so many times: SBOMs shrink to a tenth, bombs to a thousandth. */
export const UNPACK_RATIO = 100;
/** What is small may grow freely. */
export const UNPACK_FREE_BYTES = 1_048_576;
/** Elements, attributes and texts of an XML document. */
export const XML_NODES = 2_000_000;
export const XML_DEPTH = 64;
/** Envelopes in one artifact, and subjects of all of them. */
export const ENVELOPES = 1_000;
export const SUBJECTS = 100_000;
/** Of one judgement: envelopes, and subjects that are kept until it is made. */
export const SUBJECTS_KEPT = 200_000;
/** Characters of what evidence calls its subject, and of what builders are called. */
export const NAME_LENGTH = 4_096;
/** Artifacts of one run that are fetched; those of one address are one. */
export const ARTIFACTS_READ = 2_000;
/** One artifact: fetched. */
export const ARTIFACT_MS = 30_000;
/** One artifact, in its thread, which may have to be started first. */
export const PARSE_MS = 20_000;
/** All of a run; and as long again, at most, for threads that read others' evidence. */
export const RUN_MS = 120_000;
/** Artifacts of one run that are under way at once. */
export const AT_ONCE = 4;
/** Runs that are read at once, and that wait: of all orgs, and of one. */
export const RUNS_AT_ONCE = { all: 4, org: 2 };
export const RUNS_WAITING = { all: 32, org: 4 };
/** Memory of a thread that reads what may be hostile. */
export const THREAD_MEMORY = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 64, stackSizeMb: 4 };
