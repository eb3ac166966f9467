// Every operation with what it needs, for the composition root. Not here: what they do, and which rpc they are.
import { approvalDecide } from "./operations/approval-decide.ts";
import { approvalGet } from "./operations/approval-get.ts";
import { approvalList } from "./operations/approval-list.ts";
import { artifactAbort } from "./operations/artifact-abort.ts";
import { artifactBegin } from "./operations/artifact-begin.ts";
import { artifactChunk } from "./operations/artifact-chunk.ts";
import { artifactDelete } from "./operations/artifact-delete.ts";
import { artifactFinish } from "./operations/artifact-finish.ts";
import { artifactGet } from "./operations/artifact-get.ts";
import { artifactList } from "./operations/artifact-list.ts";
import { artifactUploadGet } from "./operations/artifact-upload-get.ts";
import { charterDeclare } from "./operations/charter-declare.ts";
import { charterGet } from "./operations/charter-get.ts";
import { charterList } from "./operations/charter-list.ts";
import { creditTrace } from "./operations/credit-trace.ts";
import { executorDrain } from "./operations/executor-drain.ts";
import { executorGet } from "./operations/executor-get.ts";
import { executorList } from "./operations/executor-list.ts";
import { executorRegister } from "./operations/executor-register.ts";
import { executorTrust } from "./operations/executor-trust.ts";
import { gateCheck } from "./operations/gate-check.ts";
import { goalGet } from "./operations/goal-get.ts";
import { goalRefine } from "./operations/goal-refine.ts";
import { graphAddSteps } from "./operations/graph-add-steps.ts";
import { graphCommit } from "./operations/graph-commit.ts";
import { graphDiff } from "./operations/graph-diff.ts";
import { graphGet } from "./operations/graph-get.ts";
import { graphListEdges } from "./operations/graph-list-edges.ts";
import { graphListSteps } from "./operations/graph-list-steps.ts";
import { graphList } from "./operations/graph-list.ts";
import { graphReplan } from "./operations/graph-replan.ts";
import { identityCreateKey } from "./operations/identity-create-key.ts";
import { identityCreateOrg } from "./operations/identity-create-org.ts";
import { identityListKeys } from "./operations/identity-list-keys.ts";
import { identityRevokeKey } from "./operations/identity-revoke-key.ts";
import { identityWho } from "./operations/identity-who.ts";
import { maestroPlan } from "./operations/maestro-plan.ts";
import { manifestGet } from "./operations/manifest-get.ts";
import { packCreate } from "./operations/pack-create.ts";
import { packExport } from "./operations/pack-export.ts";
import { packGet } from "./operations/pack-get.ts";
import { packList } from "./operations/pack-list.ts";
import { planCancel } from "./operations/plan-cancel.ts";
import { planChange } from "./operations/plan-change.ts";
import { planExplain } from "./operations/plan-explain.ts";
import { planGet } from "./operations/plan-get.ts";
import { planList } from "./operations/plan-list.ts";
import { planResume } from "./operations/plan-resume.ts";
import { planSuspend } from "./operations/plan-suspend.ts";
import { queryGoals } from "./operations/query-goals.ts";
import { runArtifactCreate } from "./operations/run-artifact-create.ts";
import { runArtifactGet } from "./operations/run-artifact-get.ts";
import { runArtifactList } from "./operations/run-artifact-list.ts";
import { runCreate } from "./operations/run-create.ts";
import { runGet } from "./operations/run-get.ts";
import { runList } from "./operations/run-list.ts";
import { runStart } from "./operations/run-start.ts";
import { runUpdate } from "./operations/run-update.ts";
import { signingKeyList } from "./operations/signing-key-list.ts";
import { stepChange } from "./operations/step-change.ts";
import { stepGet } from "./operations/step-get.ts";
import { stepHold } from "./operations/step-hold.ts";
import { stepListAttempts } from "./operations/step-list-attempts.ts";
import { stepList } from "./operations/step-list.ts";
import { stepRelease } from "./operations/step-release.ts";
import { stepRerun } from "./operations/step-rerun.ts";
import { stepResolve } from "./operations/step-resolve.ts";
import { stepRetry } from "./operations/step-retry.ts";
import { stepSkip } from "./operations/step-skip.ts";
import { waiverGrant } from "./operations/waiver-grant.ts";
import { waiverList } from "./operations/waiver-list.ts";
import { waiverRevoke } from "./operations/waiver-revoke.ts";
import { workflowCreate } from "./operations/workflow-create.ts";
import { workflowGet } from "./operations/workflow-get.ts";
import { workflowList } from "./operations/workflow-list.ts";
import type { ArtifactLimits } from "./domain/artifact.ts";
import type { KeyId } from "./domain/id.ts";
import type { HeavyWork } from "./operations/heavy-work.ts";
import type { ReleaseGate } from "./operations/release-gate.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { ContentStore } from "./store/ports/contents.ts";
import type { Operations } from "./transport/handlers/operations.ts";

export function allOperations(
  heavy: HeavyWork,
  dispatcher: Dispatcher,
  keyEnded: (keyId: KeyId) => void,
  artifacts: ArtifactLimits,
  contents: ContentStore,
  gate: ReleaseGate,
): Operations {
  return {
    approvalDecide: approvalDecide(heavy),
    approvalGet,
    approvalList,
    artifactAbort: artifactAbort(contents),
    artifactBegin: artifactBegin(artifacts),
    artifactChunk: artifactChunk(contents),
    artifactDelete,
    artifactFinish: artifactFinish(contents),
    artifactGet,
    artifactList,
    artifactUploadGet,
    charterDeclare,
    charterGet,
    charterList,
    creditTrace: creditTrace(heavy),
    executorDrain: executorDrain(dispatcher),
    executorGet,
    executorList,
    executorRegister: executorRegister(dispatcher),
    executorTrust: executorTrust(dispatcher),
    gateCheck: gateCheck(gate),
    goalGet,
    goalRefine: goalRefine(heavy),
    graphAddSteps,
    graphCommit: graphCommit(heavy),
    graphDiff: graphDiff(heavy),
    graphGet,
    graphListEdges,
    graphListSteps,
    graphList,
    graphReplan: graphReplan(heavy),
    identityCreateKey,
    identityCreateOrg,
    identityListKeys,
    identityRevokeKey: identityRevokeKey({ keyEnded: (keyId) => keyEnded(keyId as KeyId) }),
    identityWho,
    maestroPlan: maestroPlan(heavy),
    manifestGet: manifestGet(gate),
    packCreate,
    packExport: packExport(gate),
    packGet,
    packList,
    planCancel,
    planChange,
    planExplain: planExplain(dispatcher),
    planGet,
    planList,
    planResume,
    planSuspend,
    queryGoals,
    runArtifactCreate,
    runArtifactGet,
    runArtifactList,
    runCreate,
    runGet,
    runList,
    runStart: runStart(heavy),
    runUpdate,
    signingKeyList,
    stepChange,
    stepGet,
    stepHold,
    stepListAttempts,
    stepList,
    stepRelease,
    stepRerun: stepRerun(heavy),
    stepResolve,
    stepRetry,
    stepSkip,
    waiverGrant,
    waiverList,
    waiverRevoke,
    workflowCreate,
    workflowGet,
    workflowList,
  };
}
