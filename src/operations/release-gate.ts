// The release gate as operations use it: what the store knows is loaded in one transaction, evidence is read outside of any, and one
// judgement comes of both. Previews, manifests, gate steps and packs go through here. Not here: the rules, see domain/release.
import { NO_RELEASE_POLICY } from "../domain/charter.ts";
import type { GateMode, ReleasePolicy } from "../domain/charter.ts";
import type { RunArtifactId } from "../domain/id.ts";
import { GATE_ARTIFACTS } from "../domain/release/gate.ts";
import type { GateFacts, GateScope, JudgedArtifact, Judgement } from "../domain/release/gate.ts";
import type { Finding } from "../domain/release/evidence.ts";
import { judge } from "../domain/release/judge.ts";
import { refusal, RefusedError } from "../domain/refusal.ts";
import type { Run } from "../domain/run.ts";
import type { SigningKey } from "../domain/signing-key.ts";
import { MOST_STANDING_WAIVERS } from "../domain/waiver.ts";
import type { Waiver } from "../domain/waiver.ts";
import type { EvidenceReader } from "../neighbours/evidence/port.ts";
import type { Tx } from "../store/ports/store.ts";
import { allPages } from "./all-pages.ts";
import { governanceOf, peopleOf, stepsBefore } from "./release-governance.ts";
import { saysTheSame } from "./waiver-statement.ts";

/** What is to be judged: a run as a whole, or a gate step of its plan, by the number of its row. */
export type GateAsked =
  | { readonly kind: "RUN"; /** As if its policy said so. */ readonly mode?: GateMode }
  | { readonly kind: "STEP"; readonly ordinal: number; readonly mode?: GateMode };
export const WHOLE_RUN: GateAsked = { kind: "RUN" };

/** All that the store knows, of one moment. */
export interface LoadedGate {
  /** Without findings and waivers. */
  readonly facts: GateFacts;
  /** Those that stand at that moment; whether their envelopes hold is looked at when one is needed. */
  readonly waivers: readonly Waiver[];
  readonly keys: readonly SigningKey[];
  /** To whom the run is their own by now: what they waived before they were does not count. Empty when there are no waivers. */
  readonly people: ReadonlySet<string>;
}

export interface ReleaseGate {
  /** In a transaction. `artifacts` are those that stand, when they were read already (all of them, newest first). */
  load(tx: Tx, run: Run, asked?: GateAsked, artifacts?: readonly JudgedArtifact[]): Promise<LoadedGate>;
  /** Whether evidence must be read: then `judge` is called outside of transactions, otherwise `judgeAtOnce` will do. */
  readsEvidence(loaded: LoadedGate): boolean;
  /** Outside of transactions: fetches and reads evidence if the policy asks for it. Throws the abort's reason, and RefusedError (OVERLOADED). */
  judge(loaded: LoadedGate, signal: AbortSignal): Promise<Judgement>;
  /** Of what needs no evidence. */
  judgeAtOnce(loaded: LoadedGate): Judgement;
}

const NO_WAIVERS: Pick<LoadedGate, "waivers" | "keys" | "people"> = { waivers: [], keys: [], people: new Set() };
const NO_FINDINGS: ReadonlyMap<RunArtifactId, Finding> = new Map();
/** A charter that is named and not there trusts nobody: never what is more than nothing. */
const STRICTEST: ReleasePolicy = { mode: "VERIFIED", builders: [], minApprovals: 0, requireContent: true };

export function releaseGate(evidence: Pick<EvidenceReader, "read">): ReleaseGate {
  const readsEvidence = ({ facts }: LoadedGate): boolean => facts.policy.mode === "VERIFIED";
  return {
    load: loadGate,
    readsEvidence,
    judgeAtOnce: (loaded) => judgeLoaded(loaded, NO_FINDINGS),
    judge: async (loaded, signal) => {
      if (!readsEvidence(loaded)) return judgeLoaded(loaded, NO_FINDINGS);
      const { run, artifacts, policy } = loaded.facts;
      // More than are judged are not looked at either: the gate fails for that alone.
      const read = artifacts.length > GATE_ARTIFACTS ? [] : artifacts;
      return judgeLoaded(loaded, await readEvidence(evidence, run, read, policy, signal));
    },
  };
}

/** Loads what a run is judged by; the policy is the one that its plan is pinned to, or the newest of the charter it names. */
async function loadGate(
  tx: Tx,
  run: Run,
  asked: GateAsked = WHOLE_RUN,
  given?: readonly JudgedArtifact[],
): Promise<LoadedGate> {
  const { orgId, runId, planId } = run;
  const said = await policyOf(tx, run);
  const policy = asked.mode !== undefined ? { ...said, mode: asked.mode } : said;
  const artifacts = given ?? (await tx.runArtifacts.judged(orgId, runId, GATE_ARTIFACTS + 1));
  const before = planId === null || asked.kind === "RUN" ? null : await stepsBefore(tx, orgId, planId, asked.ordinal);
  const scope: GateScope = before === null ? { kind: "RUN" } : { kind: "STEP", before: before.steps };
  const governance =
    planId === null || policy.mode === "FLAGS" ? null : await governanceOf(tx, run, planId, before?.ordinals ?? null);
  const facts: GateFacts = { run, scope, policy, artifacts, waivers: [], governance, findings: NO_FINDINGS };
  // The common case needs nobody's waiver, and need not ask for any.
  if (policy.mode === "FLAGS" && judge(facts).passed) return { facts, ...NO_WAIVERS };
  const waivers = await tx.waivers.standing(orgId, runId, await tx.nowMs(), MOST_STANDING_WAIVERS);
  if (waivers.length === 0) return { facts, ...NO_WAIVERS };
  const keys = await allPages(
    (page) => tx.signingKeys.list(orgId, page),
    ({ createdMs, keyId }) => [createdMs, keyId],
  );
  return { facts, waivers, keys, people: await peopleOf(tx, run) };
}

async function policyOf(tx: Tx, { orgId, planId, charter: named }: Run): Promise<ReleasePolicy> {
  if (planId === null && named === null) return NO_RELEASE_POLICY;
  const charter =
    planId === null ? await tx.charters.find(orgId, named ?? "") : await tx.charters.ofGoal(orgId, planId);
  return charter?.terms.release ?? STRICTEST;
}

function judgeLoaded({ facts, waivers, keys, people }: LoadedGate, findings: GateFacts["findings"]): Judgement {
  const found: GateFacts = { ...facts, findings };
  const bare = judge(found);
  if (bare.passed || waivers.length === 0) return bare;
  // Signatures are looked at only of those that would lift something.
  const failed = bare.verdicts.filter(({ state }) => state === "FAILED");
  const counting = waivers.filter(
    (waiver) =>
      waiver.runId === facts.run.runId &&
      !people.has(waiver.grantedBy) &&
      failed.some(
        ({ rule, artifactId }) =>
          rule === waiver.rule && (waiver.artifactId === null || waiver.artifactId === artifactId),
      ) &&
      saysTheSame(waiver, keys),
  );
  return counting.length === 0 ? bare : judge({ ...found, waivers: counting });
}

async function readEvidence(
  evidence: Pick<EvidenceReader, "read">,
  { orgId }: Run,
  artifacts: readonly JudgedArtifact[],
  { builders }: ReleasePolicy,
  signal: AbortSignal,
): Promise<GateFacts["findings"]> {
  const read = await evidence.read(orgId, artifacts, builders, signal);
  if (read !== "BUSY") return read;
  throw new RefusedError(
    refusal("OVERLOADED", "Too much evidence is being read.", {
      rule: "evidence.queue",
      // Of one org, two at once and four that wait.
      metadata: { limit: "6" },
      retryAfterMs: 1_000,
      remedy: "Send it again.",
    }),
  );
}
