// A server as a client sees it: its services over gRPC, which the wide port and the fast lane both speak. Not here: what is
// asked of them.
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import type { Client, Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { ApprovalService } from "../../gen/maestro/v1/approval_service_pb.ts";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { CharterService } from "../../gen/maestro/v1/charter_service_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { GoalService } from "../../gen/maestro/v1/goal_service_pb.ts";
import { GraphService } from "../../gen/maestro/v1/graph_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { bearerOf } from "../executor/bearer.ts";
import { systemRandom } from "../support/random.ts";
import { CommandEnd, MISUSED } from "./io.ts";
import { parseDuration } from "./plan-file/amounts.ts";
import { harmless } from "./table.ts";
import { spanText } from "./words.ts";

export interface ServerClient {
  readonly url: string;
  readonly maestro: Client<typeof MaestroService>;
  readonly approvals: Client<typeof ApprovalService>;
  readonly artifacts: Client<typeof ArtifactService>;
  readonly charters: Client<typeof CharterService>;
  readonly conductor: Client<typeof ConductorService>;
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

/** How long a server may take to answer. The largest plans take it some seconds; whoever is mute says nothing at all. */
const ANSWER_MS = 60_000;
/** Where it reads evidence first: it gives that minutes, and as long again to wait for its turn. */
const JUDGING_MS = 300_000;
const JUDGING: ReadonlySet<string> = new Set(["CheckReleaseGate", "GetManifest", "ExportDisclosurePack"]);
const LONGEST_MS = 86_400_000;
/** While a call waits, the other end is asked whether it is there, and has as long again to say so. */
const PING_MS = 15_000;

export function connectTo(server: string, apiKey: string | undefined, answerMs?: number): ServerClient {
  const url = URL.parse(/^[a-z]+:\/\//i.test(server) ? server : `http://${server}`);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw new CommandEnd(MISUSED, `"${server}" is not the address of a server, such as http://127.0.0.1:8001`);
  }
  const bearer = apiKey === undefined ? undefined : usable(apiKey);
  const authorize: Interceptor = (next) => (request) => {
    if (bearer !== undefined) request.header.set("authorization", bearer);
    return answered(answerMs ?? usualMs(request.method.name), next(request));
  };
  // One connection for all calls; it would keep the process alive if nobody closed it.
  const sessions = new Http2SessionManager(url.origin, { pingIntervalMs: PING_MS, idleConnectionTimeoutMs: 60_000 });
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
    artifacts: client(ArtifactService),
    charters: client(CharterService),
    conductor: client(ConductorService),
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

/** How long a method's answer is waited for when nobody says how long. */
export function usualMs(method: string): number {
  return JUDGING.has(method) ? JUDGING_MS : ANSWER_MS;
}

/** From what was typed after `--timeout`, if anything was. */
export function patienceOf(typed: string | undefined): number | undefined {
  if (typed === undefined) return undefined;
  const ms = parseDuration(typed);
  if (ms === undefined || ms < 1 || ms > LONGEST_MS)
    throw new CommandEnd(
      MISUSED,
      `maestro: --timeout ${harmless(typed)}: must be a duration up to 1d, such as 5s or 2m`,
    );
  return ms;
}

/** Of a stream this is its first message, which a server sends at once. */
async function answered<T>(limitMs: number, call: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const mute = new Promise<never>((_resolve, reject) => {
    const text = `it has not answered within ${spanText(limitMs)} (--timeout), and may do what was asked all the same`;
    late = setTimeout(() => reject(new ConnectError(text, Code.Unavailable)), limitMs);
  });
  try {
    return await Promise.race([call, mute]);
  } finally {
    clearTimeout(late);
  }
}

/** A key that cannot be one is the caller's mistake, and is not repeated. */
function usable(apiKey: string): string {
  try {
    return bearerOf(apiKey);
  } catch (error) {
    throw new CommandEnd(
      MISUSED,
      `maestro: ${error instanceof Error ? error.message : ""}; it is that of --api-key or MAESTRO_API_KEY`,
    );
  }
}
