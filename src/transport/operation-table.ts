// The operation table: which operations and capabilities each rpc stands for, read from the descriptors at start. Nothing repeats it by hand.
import { getOption } from "@bufbuild/protobuf";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { operations } from "../../gen/maestro/v1/options_pb.ts";
import { ApprovalService } from "../../gen/maestro/v1/approval_service_pb.ts";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { CharterService } from "../../gen/maestro/v1/charter_service_pb.ts";
import { DispatchService } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { GoalService } from "../../gen/maestro/v1/goal_service_pb.ts";
import { GraphService } from "../../gen/maestro/v1/graph_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import type { MethodSpec } from "../engine/operation.ts";

/** Every service that is served, besides health and reflection. */
export const SERVICES: readonly DescService[] = [
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

/** Full name of a method, such as `maestro.v1.MaestroService/Plan`. */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** Names that services are called by besides their own: the Conductor is known without the name of the house. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  [ConductorService.typeName, "conductor.v1.ConductorService"],
]);

/** Paths that a method is called at; its own first. */
export function methodPaths(method: DescMethod): readonly [string, ...string[]] {
  const other = OTHER_NAMES.get(method.parent.typeName);
  const own = `/${methodName(method)}`;
  return other === undefined ? [own] : [own, `/${other}/${method.name}`];
}

/** The row of a method; one without an operation is a mistake in the contract. */
export function methodSpec(method: DescMethod): MethodSpec {
  const parts = getOption(method, operations).map(({ operation, capability, writes }) => ({
    operation,
    capability,
    writes,
  }));
  if (parts.length === 0) throw new Error(`${methodName(method)} has no operations option`);
  return { method: methodName(method), parts };
}

export function operationTable(services: readonly DescService[] = SERVICES): ReadonlyMap<string, MethodSpec> {
  return new Map(
    services.flatMap((service) => service.methods).map((method) => [methodName(method), methodSpec(method)]),
  );
}
