// Messages on their way to a stream's reader: a bounded queue that is read as an async iterable. Not here: what the messages say.

export interface Outbox<T> extends AsyncIterable<T> {
  /** False when the queue is over its bound, and the message was not taken. */
  push(message: T, weight?: number): boolean;
  /** Puts a message before all others. */
  first(message: T): void;
  /** No more messages; what is queued is still sent. With `error`, the reader gets it after them. */
  end(error?: Error): void;
  /** Forgets what is queued: a reader that does not keep up will not read it either. */
  clear(): void;
}

export interface OutboxBounds {
  readonly messages: number;
  /** In whatever unit the pushes weigh. */
  readonly weight: number;
}

export const USUAL_BOUNDS: OutboxBounds = { messages: 1_024, weight: 32 * 1024 * 1024 };

export function createOutbox<T>(bounds: OutboxBounds = USUAL_BOUNDS): Outbox<T> {
  let queue: { readonly message: T; readonly weight: number }[] = [];
  let weight = 0;
  let ended = false;
  let error: Error | undefined;
  let wake: (() => void) | undefined;
  const stir = (): void => {
    wake?.();
    wake = undefined;
  };
  return {
    push(message, size = 0) {
      if (ended) return true;
      if (queue.length >= bounds.messages || (queue.length > 0 && weight + size > bounds.weight)) return false;
      queue.push({ message, weight: size });
      weight += size;
      stir();
      return true;
    },
    first(message) {
      queue.unshift({ message, weight: 0 });
      stir();
    },
    end(with_) {
      if (ended) return;
      ended = true;
      error = with_;
      stir();
    },
    clear() {
      queue = [];
      weight = 0;
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = queue.shift();
        if (next !== undefined) {
          weight -= next.weight;
          yield next.message;
        } else if (ended) {
          if (error !== undefined) throw error;
          return;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    },
  };
}
