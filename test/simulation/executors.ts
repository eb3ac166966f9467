// Executors of the simulation: they obey, or they are late, say things twice, contradict themselves, fall silent, and vanish with
// or without their memory. Not here: what is true (ledger.ts).
import type { Acknowledgement, Attachment, StopOrder, StreamSink } from "../../src/dispatch/dispatcher.ts";
import type { ExecutorId, SessionId } from "../../src/domain/id.ts";
import type { Assignment, LeaseRef, Outcome } from "../../src/domain/outcome.ts";
import type { Principal } from "../../src/domain/principal.ts";
import type { Dice } from "../support/random-graph.ts";
import { leaseKey } from "./ledger.ts";
import type { Ledger } from "./ledger.ts";
import type { SimulatedServer } from "./server.ts";
import { outcomeOf, resultOf, takesMs } from "./work.ts";
import type { Process } from "./world.ts";

export interface ExecutorOptions {
  readonly name: string;
  /** The process that all clients share: nothing happens to it. */
  readonly clients: Process;
  readonly principal: Principal;
  readonly ledger: Ledger;
  readonly slots: number;
  /** One that can be called. */
  readonly anyServer: () => SimulatedServer | undefined;
}

/** Without a word of its server for so long it attaches elsewhere. */
const PATIENCE_MS = 9_000;

export class SimulatedExecutor {
  readonly #o: ExecutorOptions;
  readonly #dice: Dice;
  readonly #held = new Map<string, LeaseRef>();
  readonly #unsent = new Map<string, Outcome>();
  #server: SimulatedServer | undefined;
  #attachment: Attachment | undefined;
  #executorId: ExecutorId | undefined;
  /** Of its attempts to attach the last one counts. */
  #incarnation = 0;
  #heardMs = 0;
  #silentUntilMs = 0;
  /** It does what it is told from now on. */
  isGood = false;

  constructor(options: ExecutorOptions) {
    this.#o = options;
    this.#dice = options.clients.dice;
    this.attach();
    options.clients.timers.every(1_000, () => {
      this.#lookAfter();
    });
  }

  /** Attaches to any server with what it holds. */
  attach(): void {
    const mine = ++this.#incarnation;
    this.#attachment = undefined;
    this.#heardMs = this.#now;
    const server = this.#o.anyServer();
    this.#server = server;
    if (server === undefined) return;
    const { name, principal, slots } = this.#o;
    const hello = {
      principal,
      stages: null as never,
      spec: { name, capabilities: ["shell", "undo", "build"], labels: {}, slots, buildId: "test" },
      incarnation: `${name}-${String(mine)}`,
      held: [...this.#held.values()].filter((lease) => !this.#unsent.has(leaseKey(lease))),
      unsent: [...this.#unsent.values()],
    };
    this.#note("attaches", `${server.process.name} ${String(hello.held.length)}+${String(hello.unsent.length)}`);
    if (this.#executorId !== undefined) this.#o.ledger.stirred(this.#executorId, this.#server);
    this.#to(server, () => {
      server.dispatcher.attach(hello, this.#sink(mine, server)).then(
        (decision) => {
          this.#from(server, mine, () => {
            if (!decision.ok) {
              this.#later(300, () => {
                this.attach();
              });
              return;
            }
            this.#attachment = decision.value;
            this.#executorId = decision.value.executor.executorId;
            this.#o.ledger.stirred(this.#executorId, this.#server);
            this.#o.ledger.keepers.set(this.#executorId, (key, sessionId) => this.#keeps(key, sessionId));
            this.#o.ledger.streams.set(this.#executorId, (sessionId) => this.#isOn(sessionId));
            for (const lease of decision.value.lost) this.#held.delete(leaseKey(lease));
          });
        },
        (error: unknown) => {
          server.trouble("attach", error);
          this.#from(server, mine, () => {
            this.#later(500, () => {
              this.attach();
            });
          });
        },
      );
    });
  }

  /** Its stream breaks; it comes back after so long, with its memory or without. */
  break(ms: number, forgets: boolean): void {
    this.#note("breaks", `${String(ms)} ${forgets ? "forgets" : ""}`);
    this.#incarnation += 1;
    if (this.#executorId !== undefined) this.#o.ledger.stirred(this.#executorId, this.#server);
    const { attachment, server } = { attachment: this.#attachment, server: this.#server };
    this.#attachment = undefined;
    if (attachment !== undefined && server !== undefined)
      this.#to(server, () => {
        attachment.closed();
      });
    if (forgets) {
      this.#held.clear();
      this.#unsent.clear();
    }
    this.#heardMs = this.#now + ms;
    this.#o.clients.timers.after(ms, () => {
      this.attach();
    });
  }

  silence(ms: number): void {
    this.#note("falls silent", String(ms));
    this.#silentUntilMs = this.#now + ms;
    if (this.#executorId !== undefined) this.#o.ledger.stirred(this.#executorId, this.#server);
  }

  /** It has the lease, and is on its stream with it. */
  #keeps(key: string, sessionId: SessionId | null): boolean {
    return this.#isOn(sessionId) && this.#silentUntilMs <= this.#now && this.#held.has(key);
  }

  #isOn(sessionId: SessionId | null): boolean {
    return this.#attachment !== undefined && this.#server?.session.id === sessionId;
  }

  #sink(mine: number, server: SimulatedServer): StreamSink {
    const arrives = (work: () => void): void => {
      this.#from(server, mine, work);
    };
    return {
      send: (assignments, acks) => {
        // What a server says must be true when it says it, whoever hears it.
        for (const assignment of assignments) this.#o.ledger.assigned(assignment);
        for (const { result } of acks) if (result.ok) this.#o.ledger.acknowledged(result.value);
        arrives(() => {
          for (const ack of acks) this.#hear(ack);
          for (const assignment of assignments) this.#begin(assignment);
        });
        return true;
      },
      sendStops: (stops) => {
        arrives(() => {
          for (const stop of stops) this.#stop(stop);
        });
        return true;
      },
      sendHeartbeat: () => {
        arrives(() => {
          if (this.#silentUntilMs <= this.#now)
            this.#say((attachment) => {
              attachment.heard();
            });
        });
        return true;
      },
      end: () => {
        arrives(() => {
          this.#later(200, () => {
            this.attach();
          });
        });
      },
    };
  }

  #hear({ lease, result }: Acknowledgement): void {
    const key = leaseKey(lease);
    if (!result.ok && result.refusal.retryable) {
      this.#o.clients.world.count("refused for now");
      this.#later(500, () => {
        this.#tell(this.#unsent.get(key));
      });
      return;
    }
    if (!result.ok) this.#note("was refused", `${result.refusal.reason} ${key}`);
    this.#unsent.delete(key);
    this.#held.delete(key);
  }

  #begin(assignment: Assignment): void {
    const { lease } = assignment;
    this.#held.set(leaseKey(lease), lease);
    this.#note("got", leaseKey(lease));
    const dice = this.#dice;
    if (!this.isGood && dice.chance(0.05)) return;
    const ms = takesMs(dice, this.isGood);
    this.#later(ms, () => {
      if (!this.#held.has(leaseKey(lease))) return;
      const outcome = this.#outcome(lease);
      this.#o.clients.world.count(`reported: ${outcome.result.kind}`);
      this.#unsent.set(leaseKey(lease), outcome);
      this.#tell(outcome);
      if (this.isGood) return;
      if (dice.chance(0.1)) {
        this.#o.clients.world.count("said twice");
        this.#later(dice.below(800), () => {
          this.#tell(outcome);
        });
      }
      if (dice.chance(0.1)) this.#callElsewhere(outcome);
      if (dice.chance(0.03)) {
        this.#o.clients.world.count("contradicted itself");
        this.#tell(this.#outcome(lease));
      }
    });
  }

  #stop({ lease, outcomeWanted }: StopOrder): void {
    this.#note("is told to stop", leaseKey(lease));
    if (!this.isGood && this.#dice.chance(0.3)) return;
    if (!outcomeWanted) {
      this.#held.delete(leaseKey(lease));
      return;
    }
    if (!this.#held.has(leaseKey(lease)) || this.#unsent.has(leaseKey(lease))) return;
    const outcome = this.#outcome(lease, { kind: "stopped", message: "told to" });
    this.#unsent.set(leaseKey(lease), outcome);
    this.#tell(outcome);
  }

  #outcome(lease: LeaseRef, result = resultOf(this.#dice, this.isGood)): Outcome {
    return outcomeOf(this.#dice, this.#o.ledger, lease, result);
  }

  #tell(outcome: Outcome | undefined): void {
    if (outcome === undefined || this.#silentUntilMs > this.#now) return;
    this.#note("reports", `${outcome.result.kind} ${leaseKey(outcome.lease)}`);
    this.#say((attachment) => {
      attachment.heard();
      void attachment.outcomes([outcome]);
    });
  }

  /** The same by a call, to whatever server. */
  #callElsewhere(outcome: Outcome): void {
    const server = this.#o.anyServer();
    const executorId = this.#executorId;
    if (server === undefined || executorId === undefined) return;
    this.#o.clients.world.count("reported by a call");
    const by = { principal: this.#o.principal, stages: null as never };
    this.#to(server, () => {
      server.dispatcher.report(by, executorId, [outcome], null, new AbortController().signal).then(
        (decision) => {
          if (!decision.ok) return;
          for (const one of decision.value) if (one.ok) this.#o.ledger.acknowledged(one.value);
        },
        (error: unknown) => {
          server.trouble("report", error);
        },
      );
    });
  }

  #lookAfter(): void {
    const gone = this.#server === undefined || !this.#server.process.isAlive;
    if (gone && this.#heardMs + 300 < this.#now) this.attach();
    else if (this.#heardMs + PATIENCE_MS < this.#now) this.attach();
    else if (this.isGood) for (const outcome of this.#unsent.values()) this.#tell(outcome);
  }

  #say(what: (attachment: Attachment) => void): void {
    const { attachment, server } = { attachment: this.#attachment, server: this.#server };
    if (attachment === undefined || server === undefined) return;
    this.#to(server, () => {
      what(attachment);
    });
  }

  /** A message on its way; a server that is frozen reads it later. */
  #to(server: SimulatedServer, work: () => void): void {
    server.process.timers.after(this.#dice.below(5), work);
  }

  #from(server: SimulatedServer, mine: number, work: () => void): void {
    this.#o.clients.timers.after(this.#dice.below(5), () => {
      if (mine !== this.#incarnation) return;
      // What a server had on the wire when it died arrives, or does not.
      if (!server.process.isAlive && this.#dice.chance(0.5)) return;
      this.#heardMs = this.#now;
      work();
    });
  }

  #later(ms: number, work: () => void): void {
    const mine = this.#incarnation;
    this.#o.clients.timers.after(ms, () => {
      if (mine === this.#incarnation || this.#attachment !== undefined) work();
    });
  }

  get #now(): number {
    return this.#o.clients.world.nowMs;
  }

  #note(what: string, about: string): void {
    this.#o.clients.world.note(this.#o.name, what, about);
  }
}
