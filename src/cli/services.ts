// Every service of the contract, and the operations of each method, read from the descriptors. Not here: how they are called,
// see client.ts.
import { getOption } from "@bufbuild/protobuf";
import type { DescService } from "@bufbuild/protobuf";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { ApprovalService } from "../../gen/maestro/v1/approval_service_pb.ts";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { CharterService } from "../../gen/maestro/v1/charter_service_pb.ts";
import { DispatchService } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { GoalService } from "../../gen/maestro/v1/goal_service_pb.ts";
import { GraphService } from "../../gen/maestro/v1/graph_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { operations } from "../../gen/maestro/v1/options_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";

const SERVICES: readonly DescService[] = [
  MaestroService,
  CharterService,
  GoalService,
  GraphService,
  PlanService,
  StepService,
  DispatchService,
  ExecutorService,
  ApprovalService,
  ArtifactService,
  ConductorService,
  IdentityService,
];

export interface MethodOperation {
  /** Such as `MaestroService/RefineGoal`. */
  readonly method: string;
  readonly operation: string;
  readonly capability: string;
  readonly writes: boolean;
}

/** A method that is made of several operations has a row for each, and needs all of their capabilities. */
export const OPERATIONS: readonly MethodOperation[] = SERVICES.flatMap((service) =>
  service.methods.flatMap((method) =>
    getOption(method, operations).map(({ operation, capability, writes }) => ({
      method: `${service.name}/${method.name}`,
      operation,
      capability,
      writes,
    })),
  ),
);
