// The unary mix: 40 % DispatchNext, 40 % ReportOutcome, 8 % QueryGoals, 6 % RefineGoal, 6 % CommitGraph of ten steps, all
// writes with keys, so many in flight. Not here: the backlog that it takes steps from.
import { create } from "@bufbuild/protobuf";
import { OutcomeSchema } from "../../../gen/maestro/v1/dispatch_pb.ts";
import type { Lease } from "../../../gen/maestro/v1/dispatch_pb.ts";
import { ExecutorService } from "../../../gen/maestro/v1/executor_service_pb.ts";
import { MaestroService } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import type { NativeClient } from "./client.ts";
import { json200, tenSteps } from "./shapes.ts";
import { CHARTER, commit, refine } from "./submit.ts";

const OUTPUT = json200("done");
const MAESTRO = MaestroService.method;

export class UnaryLoad {
  readonly #client: NativeClient;
  readonly #capability: string;
  readonly #leases: Lease[] = [];
  readonly #refined: string[] = [];
  #executorId = "";
  #operations = 0;
  #empty = 0;
  #failed = 0;
  #why = "";
  #latencies: number[] = [];
  #stopped = false;
  #turn = 0;
  #workers: Promise<void>[] = [];

  constructor(client: NativeClient, capability: string) {
    this.#client = client;
    this.#capability = capability;
  }

  async start(inFlight: number): Promise<void> {
    const spec = { name: "unary", capabilities: [this.#capability], slots: 4096 };
    const { executor } = await this.#client.call(ExecutorService.method.registerExecutor, {
      spec,
      idempotencyKey: crypto.randomUUID(),
    });
    this.#executorId = executor?.executorId ?? "";
    this.#workers = Array.from({ length: inFlight }, async () => {
      while (!this.#stopped) await this.#one();
    });
  }

  /** What was done since the last reading. */
  read(): {
    readonly operations: number;
    readonly atMs: number;
    readonly latencies: readonly number[];
    readonly empty: number;
    readonly failed: number;
    readonly why: string;
  } {
    const read = {
      operations: this.#operations,
      atMs: performance.now(),
      latencies: this.#latencies,
      empty: this.#empty,
      failed: this.#failed,
      why: this.#why,
    };
    this.#latencies = [];
    return read;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  async #one(): Promise<void> {
    const operation = this.#next();
    const beganMs = performance.now();
    try {
      await operation();
      this.#operations += 1;
      this.#latencies.push(performance.now() - beganMs);
    } catch (error) {
      this.#failed += 1;
      this.#why = String(error);
      // Whatever is wrong must not become a busy loop.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The mix in a fixed order of fifty; what is not possible yet gives way to what makes it possible. */
  #next(): () => Promise<void> {
    const turn = this.#turn++ % 50;
    if (turn % 12 === 5) return () => this.#query();
    if (turn % 17 === 1) return () => this.#refine();
    if (turn % 17 === 9) {
      const goalId = this.#refined.pop();
      return goalId === undefined ? () => this.#refine() : () => commit(this.#client, goalId);
    }
    const lease = turn % 2 === 0 ? this.#leases.shift() : undefined;
    return lease === undefined ? () => this.#dispatch() : () => this.#report(lease);
  }

  async #dispatch(): Promise<void> {
    const { assignments } = await this.#client.call(MAESTRO.dispatchNext, {
      executorId: this.#executorId,
      maxSteps: 1,
      wait: { seconds: 1n, nanos: 0 },
      idempotencyKey: crypto.randomUUID(),
    });
    if (assignments.length === 0) this.#empty += 1;
    for (const { lease } of assignments) if (lease !== undefined) this.#leases.push(lease);
  }

  async #report(lease: Lease): Promise<void> {
    const outcome = create(OutcomeSchema, {
      lease,
      result: { case: "success", value: { outputs: { value: { case: "json", value: OUTPUT } } } },
      usage: { tokens: 7n, moneyMicros: 70n, energyMillijoules: 700n },
    });
    const { results } = await this.#client.call(MAESTRO.reportOutcome, {
      executorId: this.#executorId,
      outcomes: [outcome],
      idempotencyKey: crypto.randomUUID(),
    });
    const refused = results.find(({ result }) => result.case === "refusal")?.result.value;
    if (refused !== undefined && "explanation" in refused) throw new Error(refused.explanation);
  }

  async #query(): Promise<void> {
    await this.#client.call(MAESTRO.queryGoals, { charter: CHARTER, pageSize: 20 });
  }

  async #refine(): Promise<void> {
    this.#refined.push(await refine(this.#client, "unary", tenSteps(this.#capability)));
  }
}
