// One executor on a stream: takes what it is given, answers after a while, attaches again with what it holds when the stream
// breaks. As cheap as a client can be, since it shares its cores with the server it loads. Not here: submitting.
import { create } from "@bufbuild/protobuf";
import { OutcomeSchema } from "../../../gen/maestro/v1/dispatch_pb.ts";
import type { Assignment, Lease, Outcome } from "../../../gen/maestro/v1/dispatch_pb.ts";
import { AttachRequestSchema } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import type { AttachRequest, AttachResponse, OutcomeAck } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import { RefusalReasonSchema } from "../../../gen/maestro/v1/refusal_pb.ts";
import type { AttachCall, NativeClient } from "./client.ts";
import type { Entry, Journal } from "./journal.ts";
import { CAPABILITY, json200 } from "./shapes.ts";

export interface ExecutorOptions {
  readonly client: Pick<NativeClient, "attach">;
  readonly name: string;
  readonly slots: number;
  readonly capability?: string;
  /** How long a step takes, ms: drawn between these. Zero answers in the same turn. */
  readonly takes: readonly [number, number];
  readonly journal?: Journal | undefined;
  readonly onAssigned?: (assignment: Assignment, atMs: number) => void;
  readonly onReceipt?: (planId: string, atMs: number) => void;
}

const OUTPUT = json200("done");
/** Signs of life while nothing else is said; well below the server's limit. */
const BEAT_MS = 2_000;

export class LoadExecutor {
  /** Receipts, without repeats. */
  receipts = 0;
  assigned = 0;
  refusals = 0;
  attaches = 0;
  readonly #o: ExecutorOptions;
  readonly #incarnation = crypto.randomUUID();
  readonly #working = new Map<string, Lease>();
  readonly #unacknowledged = new Map<string, Outcome>();
  #batch: Outcome[] = [];
  #call: AttachCall | undefined;
  #number = 0n;
  #slots: number;
  #stopped = false;
  #welcomed: (() => void) | undefined;
  #beat: NodeJS.Timeout | undefined;

  constructor(options: ExecutorOptions) {
    this.#o = options;
    this.#slots = options.slots;
  }

  get inFlight(): number {
    return this.#working.size + this.#unacknowledged.size;
  }

  /** Resolves with the first welcome. */
  async start(): Promise<void> {
    this.#beat = setInterval(() => {
      this.#say({ case: "renewals", value: { $typeName: "maestro.v1.Renewals", renewals: [] } });
    }, BEAT_MS);
    await new Promise<void>((resolve) => {
      this.#welcomed = resolve;
      this.#open();
    });
  }

  slots(slots: number): void {
    this.#slots = slots;
    this.#say({ case: "slots", value: { $typeName: "maestro.v1.Slots", slots } });
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#beat);
    this.#call?.cancel();
    this.#call = undefined;
  }

  #open(): void {
    const call = this.#o.client.attach();
    this.#call = call;
    this.#number = 0n;
    this.attaches += 1;
    let over = false;
    const again = (): void => {
      if (over) return;
      over = true;
      if (this.#call === call) this.#call = undefined;
      if (!this.#stopped)
        setTimeout(() => {
          this.#open();
        }, 100);
    };
    call.on("data", (message: AttachResponse) => {
      if (!over) this.#hear(message);
    });
    call.on("error", again);
    call.on("end", again);
    this.#batch = [];
    const capability = this.#o.capability ?? CAPABILITY;
    this.#say({
      case: "hello",
      value: {
        $typeName: "maestro.v1.Hello",
        spec: {
          $typeName: "maestro.v1.ExecutorSpec",
          name: this.#o.name,
          capabilities: [capability],
          labels: {},
          slots: this.#o.slots,
          buildId: "load",
        },
        incarnation: this.#incarnation,
        held: [...this.#working.values()],
        unsent: [...this.#unacknowledged.values()],
      },
    });
    if (this.#slots !== this.#o.slots) this.slots(this.#slots);
  }

  #say(message: AttachRequest["message"]): void {
    if (this.#call === undefined) return;
    this.#number += 1n;
    this.#call.write(create(AttachRequestSchema, { number: this.#number, message }));
  }

  #hear({ message, acks }: AttachResponse): void {
    if (acks.length > 0) this.#acknowledged(acks);
    switch (message.case) {
      case "welcome": {
        this.#note(message.value.resumed.map((lease) => this.#entry("h", lease)));
        this.#note(message.value.lost.map((lease) => this.#entry("l", lease)));
        for (const lease of message.value.lost) this.#working.delete(keyOf(lease));
        this.#welcomed?.();
        return;
      }
      case "assignments":
        this.#take(message.value.assignments);
        return;
      case "stops":
        for (const { lease, outcomeWanted } of message.value.stops)
          if (lease !== undefined && !outcomeWanted) this.#working.delete(keyOf(lease));
        return;
      case "goodbye":
        this.#call?.end();
        return;
      default:
        return;
    }
  }

  #take(assignments: readonly Assignment[]): void {
    const atMs = performance.timeOrigin + performance.now();
    this.assigned += assignments.length;
    this.#note(assignments.map(({ lease }) => this.#entry("a", lease)));
    const [least, most] = this.#o.takes;
    for (const assignment of assignments) {
      const { lease } = assignment;
      if (lease === undefined) continue;
      this.#o.onAssigned?.(assignment, atMs);
      this.#working.set(keyOf(lease), lease);
      if (most === 0) this.#finish(lease);
      else
        setTimeout(
          () => {
            this.#finish(lease);
          },
          least + (most - least) * Math.random(),
        );
    }
  }

  #finish(lease: Lease): void {
    const key = keyOf(lease);
    // Lost or told to stop meanwhile.
    if (!this.#working.delete(key) || this.#stopped) return;
    const outcome = create(OutcomeSchema, {
      lease,
      result: { case: "success", value: { outputs: { value: { case: "json", value: OUTPUT } } } },
      usage: { tokens: 7n, moneyMicros: 70n, energyMillijoules: 700n },
    });
    this.#unacknowledged.set(key, outcome);
    this.#send(outcome);
  }

  /** Outcomes of one turn leave in one message. */
  #send(outcome: Outcome): void {
    if (this.#call === undefined) return;
    this.#batch.push(outcome);
    if (this.#batch.length === 1)
      setImmediate(() => {
        this.#flush();
      });
  }

  #flush(): void {
    const outcomes = this.#batch;
    this.#batch = [];
    if (outcomes.length === 0) return;
    this.#note(outcomes.map(({ lease }) => this.#entry("o", lease)));
    for (let i = 0; i < outcomes.length; i += 1000) {
      this.#say({
        case: "outcomes",
        value: { $typeName: "maestro.v1.Outcomes", outcomes: outcomes.slice(i, i + 1000) },
      });
    }
  }

  #acknowledged(acks: readonly OutcomeAck[]): void {
    const atMs = performance.timeOrigin + performance.now();
    this.#note(
      acks.map(({ lease, result }) =>
        result.case === "receipt"
          ? { ...this.#entry("k", lease), r: result.value.recordUri, ...(result.value.duplicate ? { dup: true } : {}) }
          : { ...this.#entry("n", lease), r: RefusalReasonSchema.value[result.value?.reason ?? 0]?.localName ?? "" },
      ),
    );
    for (const { lease, result } of acks) {
      if (lease === undefined) continue;
      const key = keyOf(lease);
      const outcome = this.#unacknowledged.get(key);
      if (result.case === "refusal" && result.value.retryable && outcome !== undefined) {
        setTimeout(() => {
          if (this.#unacknowledged.has(key)) this.#send(outcome);
        }, 100);
        continue;
      }
      if (!this.#unacknowledged.delete(key)) continue;
      if (result.case === "receipt") {
        this.receipts += 1;
        this.#o.onReceipt?.(lease.planId, atMs);
      } else this.refusals += 1;
    }
  }

  #entry(k: Entry["k"], lease: Lease | undefined): Entry {
    return {
      k,
      t: Date.now(),
      p: lease?.planId ?? "",
      o: lease?.ordinal ?? 0,
      f: Number(lease?.fencing ?? 0n),
      x: this.#o.name,
    };
  }

  #note(entries: readonly Entry[]): void {
    this.#o.journal?.write(entries);
  }
}

function keyOf(lease: Lease): string {
  return `${lease.planId}/${lease.ordinal}/${lease.fencing}`;
}
