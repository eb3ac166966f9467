// A server as a client sees it: its services over gRPC, which the wide port and the fast lane both speak. Not here: what is
// asked of them.
import type { DescService } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import type { Client, Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ApprovalService } from "../../gen/maestro/v1/approval_service_pb.ts";
import { CharterService } from "../../gen/maestro/v1/charter_service_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { GoalService } from "../../gen/maestro/v1/goal_service_pb.ts";
import { GraphService } from "../../gen/maestro/v1/graph_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { systemRandom } from "../support/random.ts";
import { CommandEnd, MISUSED } from "./io.ts";

export interface ServerClient {
  readonly url: string;
  readonly maestro: Client<typeof MaestroService>;
  readonly approvals: Client<typeof ApprovalService>;
  readonly charters: Client<typeof CharterService>;
  readonly executors: Client<typeof ExecutorService>;
  readonly goals: Client<typeof GoalService>;
  readonly graphs: Client<typeof GraphService>;
  readonly identity: Client<typeof IdentityService>;
  readonly plans: Client<typeof PlanService>;
  readonly steps: Client<typeof StepService>;
  /** A key for one write; the same for its repeats. */
  readonly newKey: () => string;
  readonly close: () => void;
}

const MESSAGE_BYTES = 4 * 1024 * 1024;

export function connectTo(server: string, apiKey: string | undefined): ServerClient {
  const url = URL.parse(/^[a-z]+:\/\//i.test(server) ? server : `http://${server}`);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw new CommandEnd(MISUSED, `"${server}" is not the address of a server, such as http://127.0.0.1:8001`);
  }
  const authorize: Interceptor = (next) => (request) => {
    if (apiKey !== undefined) request.header.set("authorization", `Bearer ${apiKey}`);
    return next(request);
  };
  // One connection for all calls; it would keep the process alive if nobody closed it.
  const sessions = new Http2SessionManager(url.origin, { pingIntervalMs: 15_000, idleConnectionTimeoutMs: 60_000 });
  const transport = createGrpcTransport({
    baseUrl: url.href.replace(/\/$/, ""),
    sessionManager: sessions,
    interceptors: [authorize],
    readMaxBytes: MESSAGE_BYTES,
  });
  const client = <S extends DescService>(service: S): Client<S> => createClient(service, transport);
  const random = systemRandom();
  return {
    url: url.origin,
    maestro: client(MaestroService),
    approvals: client(ApprovalService),
    charters: client(CharterService),
    executors: client(ExecutorService),
    goals: client(GoalService),
    graphs: client(GraphService),
    identity: client(IdentityService),
    plans: client(PlanService),
    steps: client(StepService),
    newKey: () => `cli-${Buffer.from(random.bytes(16)).toString("hex")}`,
    close: () => sessions.abort(),
  };
}
