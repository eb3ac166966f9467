// One stream of a command's output: from its pipe to lines for the log and a tail for the result.
// Not here: where the pipe comes from, see pipes.ts.
import type { Readable } from "node:stream";
import type { Clock } from "../../support/clock.ts";
import { LineSplitter } from "./log.ts";
import type { LogBudget, LogLine } from "./log.ts";
import { Tail } from "./tail.ts";

/** One stream of the command, from its pipe to lines and tail. */
export class Output {
  readonly tail: Tail;
  readonly closed: Promise<void>;
  readonly #stream: "stdout" | "stderr";
  readonly #pipe: Readable;
  #finish: () => void = () => undefined;

  constructor(stream: "stdout" | "stderr", pipe: Readable | null, tailBytes: number) {
    if (pipe === null) throw new Error(`the command has no ${stream}`);
    this.#stream = stream;
    this.#pipe = pipe;
    this.tail = new Tail(tailBytes);
    // A broken pipe ends like a closed one.
    pipe.on("error", () => undefined);
    this.closed = new Promise((resolve) => void pipe.once("close", resolve));
  }

  read(onLog: (line: LogLine) => void, budget: LogBudget, clock: Clock): void {
    const lines = new LineSplitter(this.#stream, onLog, budget, clock);
    this.#finish = () => {
      this.#finish = () => undefined;
      lines.end();
    };
    this.#pipe.on("data", (chunk: Buffer) => {
      this.tail.push(chunk);
      lines.push(chunk);
    });
    this.#pipe.once("end", () => this.#finish());
  }

  destroy(): void {
    this.#pipe.destroy();
    this.#finish();
  }
}
