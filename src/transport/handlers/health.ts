// grpc.health.v1: whether this server takes calls, for each service and as a whole. Open to everybody, like /healthz.
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { HealthCheckResponse } from "../../../gen/grpc/health/v1/health_pb.ts";
import { decided, refused } from "../../domain/refusal.ts";
import { SERVICES } from "../operation-table.ts";
import { server, unary } from "../route.ts";
import type { Route } from "../route.ts";
import { createStirred } from "./stirred.ts";

/** Whether calls are taken: the store answers, the session lives, and the server does not drain. */
export type Ready = () => boolean;

const LOOK_MS = 500;
const names = new Set(["", ...SERVICES.map((service) => service.typeName)]);

export function healthRoutes(ready: Ready, draining: AbortSignal): readonly Route[] {
  const status = (): HealthCheckResponse => say(ready() ? Status.SERVING : Status.NOT_SERVING);
  return [
    unary(Health.method.check, async ({ service }) =>
      names.has(service)
        ? decided(status())
        : refused("NOT_FOUND", `There is no service ${service}.`, { metadata: { kind: "service", id: service } }),
    ),
    unary(Health.method.list, async () =>
      decided({
        $typeName: "grpc.health.v1.HealthListResponse" as const,
        statuses: Object.fromEntries([...names].map((name) => [name, status()])),
      }),
    ),
    server(Health.method.watch, async function* ({ service }, info) {
      const stirred = createStirred(info.signal, draining);
      let said: number | undefined;
      while (!info.signal.aborted) {
        const now = names.has(service) ? status() : say(Status.SERVICE_UNKNOWN);
        if (now.status !== said) yield now;
        said = now.status;
        if (draining.aborted) break;
        await stirred.wait(LOOK_MS);
      }
      stirred.end();
    }),
  ];
}

function say(status: HealthCheckResponse["status"]): HealthCheckResponse {
  return { $typeName: "grpc.health.v1.HealthCheckResponse", status };
}
