// What waits for the reader of a stream, bounded in number and in characters: nobody makes the server keep what they do not read.

export interface Backlog<T> {
  /** Takes it, unless that would be too much: then, and from then on, the reader is too slow. */
  push(items: readonly T[], characters: number): void;
  /** Everything that waits. */
  take(): readonly T[];
  /** Something was not taken. */
  readonly tooSlow: boolean;
}

/** What one stream may have waiting. */
const CHARACTERS = 8 * 1024 * 1024;

export function createBacklog<T>(most: number): Backlog<T> {
  let waiting: T[] = [];
  let size = 0;
  let tooSlow = false;
  return {
    push(items, characters) {
      tooSlow ||= waiting.length + items.length > most || size + characters > CHARACTERS;
      if (tooSlow) return;
      waiting.push(...items);
      size += characters;
    },
    take() {
      const taken = waiting;
      waiting = [];
      size = 0;
      return taken;
    },
    get tooSlow() {
      return tooSlow;
    },
  };
}
