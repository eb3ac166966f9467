// The operation table: what the contract says of every rpc.
import { describe, expect, test } from "vitest";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { SERVICES, methodName, methodPaths, operationTable } from "../../src/transport/operation-table.ts";

const NINE = [
  "charter.declare",
  "goal.refine",
  "graph.commit",
  "graph.diff",
  "graph.replan",
  "dispatch.next",
  "outcome.report",
  "credit.trace",
  "query.goals",
];

describe("the operation table", () => {
  const table = operationTable();

  test("every rpc of every service has an operation and a capability", () => {
    for (const method of SERVICES.flatMap((service) => service.methods)) {
      const spec = table.get(methodName(method));
      expect(spec?.parts.length, methodName(method)).toBeGreaterThan(0);
      for (const { operation, capability } of spec?.parts ?? []) {
        expect(operation).toMatch(/^[a-z]+(\.[a-z_]+){1,2}$/);
        expect(capability).toMatch(/^(map\.maestro\.[a-z]+(\.[a-z_]+){1,2}|maestro:[a-z]+)$/);
      }
    }
  });

  test("all nine operations exist, each under its own capability", () => {
    const parts = [...table.values()].flatMap((spec) => spec.parts);
    for (const operation of NINE)
      expect(parts).toContainEqual(expect.objectContaining({ operation, capability: `map.maestro.${operation}` }));
  });

  test("the Conductor is known by its name without the house's, too", () => {
    const paths = ConductorService.methods.map(methodPaths);
    expect(paths).toContainEqual([
      "/maestro.conductor.v1.ConductorService/CreateRun",
      "/conductor.v1.ConductorService/CreateRun",
    ]);
    expect(methodPaths(MaestroService.method.plan)).toEqual(["/maestro.v1.MaestroService/Plan"]);
  });

  test("a composite needs the capabilities of its parts besides its own", () => {
    const plan = table.get("maestro.v1.MaestroService/Plan");
    expect(plan?.parts.map((part) => part.capability)).toEqual([
      "maestro:plan",
      "map.maestro.goal.refine",
      "map.maestro.graph.commit",
    ]);
  });
});
