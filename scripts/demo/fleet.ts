// The demo's executors: processes of their own, one of which is killed while it holds a step. Not here: the report of it.
import { setTimeout as wait } from "node:timers/promises";
import { Child } from "./child.ts";

export interface Kill {
  readonly step: string;
  readonly executor: string;
  readonly executorId: string;
  readonly fencing: number;
  readonly atMs: number;
}

interface Event {
  readonly kind: string;
  readonly executorId?: string;
  readonly planId?: string;
  readonly key?: string;
  readonly fencing?: number;
}

/** Long enough for the step's own processes to be there, which must die as well. */
const INTO_THE_STEP_MS = 1_000;
const ATTACH_MS = 30_000;

export class Fleet {
  planId: string | undefined;
  kill: Kill | undefined;
  firstStepMs = 0;
  readonly #root: string;
  readonly #fastUrl: string;
  readonly #onChild: (child: Child) => void;
  readonly #say: (text: string) => void;
  readonly #awaited = new Map<string, (planId: string) => void>();
  #victimStep: string | undefined;
  #successor = "";

  constructor(root: string, fastUrl: string, onChild: (child: Child) => void, say: (text: string) => void) {
    this.#root = root;
    this.#fastUrl = fastUrl;
    this.#onChild = onChild;
    this.#say = say;
  }

  /** Starts an executor and waits until it is attached. */
  async add(name: string): Promise<void> {
    const child = new Child(this.#root, [
      "--server",
      this.#fastUrl,
      "--json",
      "executor",
      "run",
      "--name",
      name,
      "--slots",
      "2",
    ]);
    this.#onChild(child);
    let executorId = "";
    child.onLine((line) => {
      const event = parse(line);
      if (event?.kind === "attached") executorId = event.executorId ?? "";
      if (event?.kind === "started") this.#started(child, name, executorId, event);
    });
    await child.line(/"kind":"attached"/, ATTACH_MS);
    this.#say(`executor ${name} attached as ${executorId}`);
  }

  /** Calls once, when an executor first begins that step. */
  whenStarted(step: string, then: (planId: string) => void): void {
    this.#awaited.set(step, then);
  }

  /** Kills whichever executor first performs that step, and starts another one under a new name. */
  killWhen(step: string, successor: string): void {
    this.#victimStep = step;
    this.#successor = successor;
  }

  #started(child: Child, name: string, executorId: string, { planId, key = "", fencing = 0 }: Event): void {
    this.planId ??= planId;
    if (this.firstStepMs === 0) this.firstStepMs = Date.now();
    this.#awaited.get(key)?.(planId ?? "");
    this.#awaited.delete(key);
    if (key !== this.#victimStep || this.kill !== undefined) return;
    this.kill = { step: key, executor: name, executorId, fencing, atMs: Date.now() };
    void this.#strike(child, name, key);
  }

  async #strike(child: Child, name: string, step: string): Promise<void> {
    await wait(INTO_THE_STEP_MS);
    child.signal("SIGKILL");
    this.#say(`executor ${name} killed (SIGKILL) while it performed ${step}; ${this.#successor} takes its place`);
    await this.add(this.#successor);
  }
}

function parse(line: string): Event | undefined {
  try {
    return JSON.parse(line) as Event;
  } catch {
    return undefined;
  }
}
