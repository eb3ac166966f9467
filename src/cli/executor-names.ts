// Names of executors, for people: each is asked for once. Not here: where they are shown.
import type { ServerClient } from "./client.ts";

/** A watch of a large fleet shows ids from here on, instead of asking for ever. */
const MOST_ASKED = 200;

export class ExecutorNames {
  readonly #client: ServerClient;
  readonly #signal: AbortSignal;
  readonly #names = new Map<string, string>();

  constructor(client: ServerClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** The id itself while the name is not known. */
  readonly of = (executorId: string): string => this.#names.get(executorId) ?? executorId;

  async learn(executorIds: readonly string[]): Promise<void> {
    const unknown = new Set(executorIds.filter((id) => id !== "" && !this.#names.has(id)));
    const asked = [...unknown].slice(0, Math.max(0, MOST_ASKED - this.#names.size));
    await Promise.all(
      asked.map(async (executorId) => {
        this.#names.set(executorId, executorId);
        try {
          const { executor } = await this.#client.executors.getExecutor({ executorId }, { signal: this.#signal });
          if (executor?.spec !== undefined) this.#names.set(executorId, executor.spec.name);
        } catch {
          // Who may watch plans need not be allowed to look at executors.
        }
      }),
    );
  }
}
