// What waits for the reader of a stream, bounded in number and in characters: nobody makes the server keep what they do not read.

export interface Backlog<T> {
  /** Takes it, unless that would be too much: then, and from then on, the reader is too slow. */
  push(items: readonly T[], characters: number): void;
  /** What waits, in order, up to the first that is not wanted yet. */
  take(wanted?: (item: T) => boolean): readonly T[];
  /** Something was not taken. */
  readonly tooSlow: boolean;
}

/** What one stream may have waiting. */
const CHARACTERS = 8 * 1024 * 1024;

export function createBacklog<T>(most: number): Backlog<T> {
  const waiting: { readonly item: T; readonly characters: number }[] = [];
  let size = 0;
  let tooSlow = false;
  return {
    push(items, characters) {
      tooSlow ||= waiting.length + items.length > most || size + characters > CHARACTERS;
      if (tooSlow) return;
      waiting.push(...items.map((item) => ({ item, characters: characters / items.length })));
      size += characters;
    },
    take(wanted = () => true) {
      const end = waiting.findIndex(({ item }) => !wanted(item));
      const taken = waiting.splice(0, end < 0 ? waiting.length : end);
      size = waiting.length === 0 ? 0 : taken.reduce((left, { characters }) => left - characters, size);
      return taken.map(({ item }) => item);
    },
    get tooSlow() {
      return tooSlow;
    },
  };
}
