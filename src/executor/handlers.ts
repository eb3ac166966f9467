// Who does what: the handlers of an executor by capability. Not here: when they are called.
import { Purpose } from "../../gen/maestro/v1/dispatch_pb.ts";
import type { Assignment } from "../../gen/maestro/v1/dispatch_pb.ts";
import type { Handler } from "./step.ts";

export class Handlers {
  readonly #doers = new Map<string, Handler>();
  readonly #undoers = new Map<string, Handler>();
  #fixed = false;

  get capabilities(): string[] {
    return [...new Set([...this.#doers.keys(), ...this.#undoers.keys()])];
  }

  register(capability: string, handler: Handler, purpose: "execute" | "compensate"): void {
    if (this.#fixed) throw new Error("register handlers before start(): the hello names what this executor can do");
    (purpose === "execute" ? this.#doers : this.#undoers).set(capability, handler);
  }

  fix(): void {
    this.#fixed = true;
  }

  /** Undoing goes to the handler that was registered for it, or to the one that does. */
  of({ capability, purpose }: Assignment): Handler | undefined {
    const undoer = purpose === Purpose.COMPENSATE ? this.#undoers.get(capability) : undefined;
    return undoer ?? this.#doers.get(capability);
  }
}
