// What the page does in the browser: plans, watches, subscribes, performs and reports, on generated stubs over connect-web.
// Not here: who serves it and what is expected of it, see ../browser.test.ts.
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { DispatchService } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import { MaestroService } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../../gen/maestro/v1/plan_service_pb.ts";
import type { PlanState } from "../../../gen/maestro/v1/plan_pb.ts";

export type Protocol = "connect" | "grpc-web";

/** What the page saw, in words that pass from the browser to the test. */
export interface Seen {
  readonly planId: string;
  /** Messages of the watch in order, events by their kind. */
  readonly watched: readonly string[];
  /** Messages of the subscription in order. */
  readonly pushed: readonly string[];
  readonly performed: readonly { readonly step: string; readonly input: string; readonly answer: string | undefined }[];
  /** State that the watch ended with. */
  readonly end: PlanState | undefined;
}

function transportTo(baseUrl: string, protocol: Protocol): Transport {
  return protocol === "connect" ? createConnectTransport({ baseUrl }) : createGrpcWebTransport({ baseUrl });
}

function newPlan(name: string) {
  const work = { case: "work" as const, value: { capability: `browse.${name}` } };
  const json = (value: string) => ({ value: { case: "json" as const, value } });
  return {
    target: { case: "newGoal" as const, value: { charter: "browser", spec: { name } } },
    steps: [
      { key: "first", kind: work, input: json('{"n":1}') },
      { key: "second", kind: work, input: json('{"n":"${{ steps.first.outputs.n }}"}') },
    ],
  };
}

/** Plans two steps of which one feeds the other, performs both as an executor, and watches the plan to its end. */
export async function perform(server: string, name: string, protocol: Protocol): Promise<Seen> {
  const transport = transportTo(server, protocol);
  const maestro = createClient(MaestroService, transport);
  const planned = await maestro.plan(newPlan(name));
  const planId = planned.plan?.planId ?? "";
  const [watched, performed] = await Promise.all([watch(transport, planId), serve(transport, name)]);
  return { planId, ...watched, ...performed };
}

async function watch(transport: Transport, planId: string): Promise<Pick<Seen, "watched" | "end">> {
  const watched: string[] = [];
  let end: PlanState | undefined;
  for await (const { message } of createClient(PlanService, transport).watchPlan({ planId })) {
    watched.push(message.case === "event" ? message.value.kind : (message.case ?? ""));
    if (message.case === "ended") end = message.value.state;
  }
  return { watched, end };
}

/** An executor of one slot that doubles a number, until it has done so twice. */
async function serve(transport: Transport, name: string): Promise<Pick<Seen, "pushed" | "performed">> {
  const pushed: string[] = [];
  const performed: Seen["performed"][number][] = [];
  const gone = new AbortController();
  const subscription = createClient(DispatchService, transport).subscribe(
    { spec: { name, capabilities: [`browse.${name}`], slots: 1 }, incarnation: "one" },
    { signal: gone.signal },
  );
  let executorId = "";
  for await (const { message } of subscription) {
    pushed.push(message.case ?? "");
    if (message.case === "welcome") executorId = message.value.executorId;
    if (message.case !== "assignments") continue;
    for (const { lease, input } of message.value.assignments) {
      if (lease === undefined || input?.value.case !== "json") throw new Error("an assignment without lease or input");
      const { n } = JSON.parse(input.value.value) as { n: number };
      const outputs = { value: { case: "json" as const, value: JSON.stringify({ n: 2 * n }) } };
      const { results } = await createClient(MaestroService, transport).reportOutcome({
        executorId,
        outcomes: [{ lease, result: { case: "success", value: { outputs } } }],
      });
      performed.push({ step: lease.step, input: input.value.value, answer: results[0]?.result.case });
    }
    if (performed.length === 2) break;
  }
  gone.abort();
  return { pushed, performed };
}

/** Tries every way that a page has to reach the server; says how each was turned away. */
export async function trespass(server: string, planId: string): Promise<Readonly<Record<string, string>>> {
  const transport = transportTo(server, "connect");
  const first = async (stream: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of stream) return;
  };
  const tries: Record<string, () => Promise<unknown>> = {
    plan: () => createClient(MaestroService, transport).plan(newPlan("foreign")),
    watch: () => first(createClient(PlanService, transport).watchPlan({ planId })),
    subscribe: () =>
      first(
        createClient(DispatchService, transport).subscribe({ spec: { name: "foreign", slots: 1 }, incarnation: "one" }),
      ),
    // Sent without asking first, and its answer is nobody's to read: the server alone can refuse it.
    post: () =>
      fetch(`${server}/maestro.v1.MaestroService/Plan`, {
        method: "POST",
        mode: "no-cors",
        body: '{"newGoal":{"charter":"browser","spec":{"name":"foreign"}},"steps":[{"key":"only","work":{"capability":"any"}}]}',
      }).then(({ type }) => type),
  };
  const seen: Record<string, string> = {};
  for (const [name, attempt] of Object.entries(tries)) {
    seen[name] = await attempt().then((answer) => `answered ${String(answer)}`, String);
  }
  return seen;
}
