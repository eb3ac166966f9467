// Executors of the simulation that have no stream: they ask by DispatchNext, keep their leases by renewals and report by calls, each
// at whatever server, again under its key until it is answered. Not here: executors with a stream (executors.ts).
import type { Decision } from "../../src/domain/refusal.ts";
import { digestOfText } from "../../src/domain/canonical.ts";
import type { ExecutorId } from "../../src/domain/id.ts";
import type { Assignment, LeaseRef, Outcome } from "../../src/domain/outcome.ts";
import { executorRegister } from "../../src/operations/executor-register.ts";
import type { ExecutorOptions } from "./executors.ts";
import { leaseKey } from "./ledger.ts";
import type { SimulatedServer } from "./server.ts";
import { outcomeOf, resultOf, takesMs } from "./work.ts";

const LEASE_MS = 3_000;
const RENEWS_MS = 900;
/** An answer that takes longer is not waited for: the call is made again under its key. */
const PATIENCE_MS = 3_000;

export class SimulatedCaller {
  readonly #o: ExecutorOptions;
  readonly #held = new Map<string, LeaseRef>();
  readonly #done = new Map<string, Outcome>();
  #executorId: ExecutorId | undefined;
  #keys = 0;
  #asks = false;
  #silentUntilMs = 0;
  /** It does what it is told from now on. */
  isGood = false;

  constructor(options: ExecutorOptions) {
    this.#o = options;
    this.#register();
    options.clients.timers.every(300, () => {
      this.#ask();
    });
    options.clients.timers.every(RENEWS_MS, () => {
      this.#renew();
    });
  }

  /** It asks, renews and reports nothing for so long; it goes on working. */
  silence(ms: number): void {
    this.#note("falls silent", String(ms));
    this.#silentUntilMs = this.#now + ms;
  }

  /** It starts anew and remembers nothing. */
  forget(): void {
    this.#note("forgets", String(this.#held.size));
    this.#held.clear();
    this.#done.clear();
  }

  #register(): void {
    const { name, slots } = this.#o;
    const spec = { name, capabilities: ["shell", "undo", "build"], labels: {}, slots, buildId: "test" };
    this.#call("executor.register", this.#key(), (server, { key }) =>
      server.call(executorRegister(server.dispatcher), "executor.register", { spec }, { who: name, key }),
    )
      .then((answer) => {
        if (answer.ok) this.#executorId = answer.value.executorId;
      })
      .catch(() => undefined);
  }

  #ask(): void {
    const { principal, slots, ledger } = this.#o;
    const executorId = this.#executorId;
    if (this.#asks || executorId === undefined || this.#isSilent || this.#held.size >= slots) return;
    this.#asks = true;
    const max = slots - this.#held.size;
    const waitMs = this.#o.clients.dice.below(1_500);
    void this.#call("dispatch.next", this.#key(), async (server, idempotency) => {
      const call = { principal, executorId, max, waitMs, capabilities: [], leaseMs: LEASE_MS, idempotency };
      const answer = await server.dispatcher.next(call, new AbortController().signal);
      // What a server says must be true when it says it, whoever hears it.
      if (answer.ok) for (const assignment of answer.value) ledger.assigned(assignment);
      return answer;
    }).then((answer) => {
      this.#asks = false;
      if (answer.ok) for (const assignment of answer.value) this.#begin(assignment);
    });
  }

  #begin({ lease }: Assignment): void {
    const { clients, ledger } = this.#o;
    const { dice, world } = clients;
    const key = leaseKey(lease);
    if (this.#held.has(key)) return;
    this.#held.set(key, lease);
    this.#note("got", key);
    world.count("assigned by a call");
    if (!this.isGood && dice.chance(0.05)) return;
    clients.timers.after(takesMs(dice, this.isGood), () => {
      if (!this.#held.has(key)) return;
      const outcome = outcomeOf(dice, ledger, lease, resultOf(dice, this.isGood));
      world.count(`reported: ${outcome.result.kind}`);
      this.#done.set(key, outcome);
      this.#tell(outcome);
    });
  }

  #tell(outcome: Outcome): void {
    const { principal, ledger, clients } = this.#o;
    const executorId = this.#executorId;
    if (executorId === undefined || this.#isSilent) return;
    const by = { principal, stages: null as never };
    const key = leaseKey(outcome.lease);
    this.#note("reports", `${outcome.result.kind} ${key}`);
    clients.world.count("reported by a call");
    void this.#call("outcome.report", this.#key(), async (server, idempotency) => {
      const answer = await server.dispatcher.report(
        by,
        executorId,
        [outcome],
        idempotency,
        new AbortController().signal,
      );
      if (answer.ok) for (const one of answer.value) if (one.ok) ledger.acknowledged(one.value);
      return answer;
    }).then((answer) => {
      const [one] = answer.ok ? answer.value : [answer];
      if (one === undefined || (!one.ok && one.refusal.retryable)) return;
      if (!one.ok) this.#note("was refused", `${one.refusal.reason} ${key}`);
      this.#done.delete(key);
      this.#held.delete(key);
    });
  }

  /** Keeps what it holds, and tells again what nobody answered. */
  #renew(): void {
    const { principal, clients, ledger } = this.#o;
    const executorId = this.#executorId;
    if (executorId === undefined || this.#held.size === 0 || this.#isSilent) return;
    for (const outcome of this.#done.values()) this.#tell(outcome);
    const renewals = [...this.#held.values()].map((lease) => ({
      lease,
      progress: 0.5,
      message: "",
      usage: null,
      checkpoint: clients.dice.chance(0.2) ? { kind: "json" as const, text: '{"at":1}' } : null,
      lines: [],
    }));
    void this.#once(async (server) =>
      server.dispatcher.renew(principal, executorId, renewals, LEASE_MS, new AbortController().signal),
    ).then((answer) => {
      if (answer?.ok !== true) return;
      clients.world.count("renewed by a call");
      for (const lease of answer.value.lost) {
        // What is reported already is answered by itself.
        if (!this.#done.has(leaseKey(lease))) this.#held.delete(leaseKey(lease));
      }
      for (const lease of answer.value.stopping) {
        const key = leaseKey(lease);
        if (!this.#held.has(key) || this.#done.has(key) || (!this.isGood && clients.dice.chance(0.3))) continue;
        const outcome = outcomeOf(clients.dice, ledger, lease, { kind: "stopped", message: "told to" });
        this.#done.set(key, outcome);
        this.#tell(outcome);
      }
    });
  }

  /** Again under its key, at whatever server, until somebody answers. */
  #call<T>(
    name: string,
    key: string,
    work: (
      server: SimulatedServer,
      idempotency: { readonly key: string; readonly bodyDigest: Uint8Array },
    ) => Promise<Decision<T>>,
  ): Promise<Decision<T>> {
    const { timers, world } = this.#o.clients;
    const bodyDigest = Buffer.from(digestOfText(key), "hex");
    return new Promise((resolve) => {
      let isAnswered = false;
      let tries = 0;
      const attempt = (): void => {
        if (isAnswered) return;
        const mine = ++tries;
        const again = (ms: number): void => {
          timers.after(ms, () => {
            if (mine === tries) attempt();
          });
        };
        again(PATIENCE_MS);
        void this.#once((server) => work(server, { key, bodyDigest })).then((answer) => {
          if (isAnswered || answer === undefined) return;
          if (!answer.ok && answer.refusal.retryable) {
            again(300);
            return;
          }
          isAnswered = true;
          world.count(answer.ok ? `done: ${name}` : `refused: ${name}`);
          resolve(answer);
        });
      };
      attempt();
    });
  }

  /** One call; undefined when there was no answer to hear, and never settled when there is none. */
  #once<T>(work: (server: SimulatedServer) => Promise<T>): Promise<T | undefined> {
    const { clients, anyServer } = this.#o;
    const server = anyServer();
    if (server === undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      server.process.timers.after(clients.dice.below(5), () => {
        work(server).then(
          (answer) => {
            clients.timers.after(clients.dice.below(5), () => {
              if (server.process.isAlive || clients.dice.chance(0.5)) resolve(answer);
            });
          },
          (error: unknown) => {
            server.trouble("call", error);
            resolve(undefined);
          },
        );
      });
    });
  }

  #key(): string {
    return `${this.#o.name}-${String(++this.#keys)}`;
  }

  get #isSilent(): boolean {
    return this.#silentUntilMs > this.#now;
  }

  get #now(): number {
    return this.#o.clients.world.nowMs;
  }

  #note(what: string, about: string): void {
    this.#o.clients.world.note(this.#o.name, what, about);
  }
}
