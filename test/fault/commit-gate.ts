// Stands between a server and its Postgres and reads what is said to it: a COMMIT of a batch that takes outcomes can be held back
// before it gets there, or let through with its answer held back. Not here: who is killed meanwhile.
import type { Socket } from "node:net";
import type { Splice } from "../support/cable.ts";

/** An attempt whose outcome a transaction takes. */
export interface Taken {
  /** UUID of its plan. */
  readonly plan: string;
  readonly ordinal: number;
  readonly fencing: number;
}

/** A COMMIT that was said and has not reached Postgres. */
export interface HeldCommit {
  readonly taken: readonly Taken[];
  /** The gate's own port towards Postgres, by which the backend is known. */
  readonly port: number;
  /** Postgres gets to hear it, and nobody what Postgres says from now on. */
  passUnheard(): void;
  /** Goes on as if nothing had been; for Postgres that is when the answer is let through. */
  release(): void;
  /** The connection breaks, with what was held back. */
  cut(): void;
}

type Waiting = (commit: HeldCommit) => void;

export class CommitGate {
  #waiting: Waiting | undefined;

  readonly splice: Splice = (near, far) => {
    new Line(near, far, (commit) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.(commit);
      return waiting !== undefined;
    });
  };

  /** The next COMMIT of a transaction that takes outcomes. It waits until it is told what becomes of it. */
  async next(limitMs: number): Promise<HeldCommit> {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = undefined;
        reject(new Error(`no batch with outcomes was committed within ${limitMs} ms`));
      }, limitMs);
      this.#waiting = (commit) => {
        clearTimeout(timer);
        resolve(commit);
      };
    });
  }
}

const SSL_REQUEST = 80_877_103;
const [QUERY, BIND] = [0x51, 0x42];

/** One connection. */
class Line {
  readonly #near: Socket;
  readonly #far: Socket;
  /** Whether the gate wants this one. */
  readonly #wanted: (commit: HeldCommit) => boolean;
  /** What has not been passed on: a part of a message, or everything from the COMMIT that is held. */
  #rest: Buffer = Buffer.alloc(0);
  #started = false;
  #held = false;
  #unheard: Buffer[] | undefined;
  /** Parameters of this transaction's statements. */
  #binds: Buffer[] = [];

  constructor(near: Socket, far: Socket, wanted: (commit: HeldCommit) => boolean) {
    this.#near = near;
    this.#far = far;
    this.#wanted = wanted;
    near.on("data", (bytes: Buffer) => {
      this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
      if (!this.#held) this.#pass();
    });
    far.on("data", (bytes: Buffer) => {
      if (this.#unheard === undefined) near.write(bytes);
      else this.#unheard.push(bytes);
    });
    near.on("end", () => {
      if (!this.#held) far.end();
    });
    far.on("end", () => near.end());
  }

  /** Passes whole messages on, up to a COMMIT that is wanted. */
  #pass(): void {
    let at = 0;
    for (;;) {
      const end = this.#endOf(at);
      if (end === undefined) break;
      if (this.#started && this.#isWanted(this.#rest.subarray(at, end))) {
        this.#held = true;
        break;
      }
      this.#started ||= this.#rest.readInt32BE(at + 4) !== SSL_REQUEST;
      at = end;
    }
    if (at === 0) return;
    this.#far.write(this.#rest.subarray(0, at));
    this.#rest = this.#rest.subarray(at);
  }

  /** Where the message that begins there ends; undefined when it is not all here. The first one has no type. */
  #endOf(at: number): number | undefined {
    const head = this.#started ? 1 : 0;
    if (this.#rest.length < at + head + 4) return undefined;
    const end = at + head + this.#rest.readInt32BE(at + head);
    return end <= this.#rest.length ? end : undefined;
  }

  #isWanted(message: Buffer): boolean {
    if (message[0] === BIND) this.#binds.push(Buffer.from(message));
    if (message[0] !== QUERY) return false;
    const text = message.toString("utf8", 5, message.length - 1);
    const binds = this.#binds;
    this.#binds = [];
    if (!/^commit\b/i.test(text)) return false;
    const taken = binds.flatMap((bind) => outcomesIn(parametersOf(bind)));
    if (taken.length === 0) return false;
    const port = this.#far.localPort ?? 0;
    const passUnheard = (): void => {
      this.#unheard ??= [];
      this.#letGo();
    };
    const release = (): void => {
      for (const bytes of this.#unheard?.splice(0) ?? []) this.#near.write(bytes);
      this.#unheard = undefined;
      this.#letGo();
    };
    return this.#wanted({ taken, port, passUnheard, release, cut: () => void this.#far.destroy() });
  }

  #letGo(): void {
    if (!this.#held || this.#near.destroyed) return;
    this.#held = false;
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    // The COMMIT itself was looked at already.
    const end = 1 + rest.readInt32BE(1);
    this.#far.write(rest.subarray(0, end));
    this.#rest = rest.subarray(end);
    this.#pass();
  }
}

/** The text parameters of a Bind message. */
function parametersOf(bind: Buffer): readonly string[] {
  let at = bind.indexOf(0, 5) + 1;
  at = bind.indexOf(0, at) + 1;
  at += 2 + 2 * bind.readInt16BE(at);
  const count = bind.readInt16BE(at);
  at += 2;
  const texts: string[] = [];
  for (let i = 0; i < count; i++) {
    const length = bind.readInt32BE(at);
    at += 4;
    if (length < 0) continue;
    texts.push(bind.toString("utf8", at, at + length));
    at += length;
  }
  return texts;
}

const HEADER = /"kind":"([^"]+)","org":"[^"]+","seq":\d+,"stream":"([^"]+)","v":1\}/g;
const LEASE = /\{"step":"[^"]*","ordinal":(\d+),"fencing":(\d+),/;

/** Records travel as two texts, headers and bodies, each of one kind and of one plan; those of outcomes name the attempt. */
function outcomesIn(parameters: readonly string[]): readonly Taken[] {
  const at = parameters.findIndex((text) => text.startsWith('{"actor":'));
  if (at < 0) return [];
  const headers = [...(parameters[at] ?? "").matchAll(HEADER)];
  const first = headers[0];
  const separator =
    headers.length < 2
      ? undefined
      : (parameters[at] ?? "").slice((first?.index ?? 0) + (first?.[0].length ?? 0)).split('{"actor":', 1)[0];
  const bodies = separator === undefined ? [parameters[at + 1] ?? ""] : (parameters[at + 1] ?? "").split(separator);
  if (bodies.length !== headers.length) throw new Error("headers and bodies of records are not read rightly");
  return headers.flatMap(([, kind, plan = ""], i) => {
    const [, ordinal, fencing] = LEASE.exec(bodies[i] ?? "") ?? [];
    return kind === "outcome.report" && ordinal !== undefined
      ? [{ plan, ordinal: Number(ordinal), fencing: Number(fencing) }]
      : [];
  });
}
