// The bounded file that holds what Postgres says. Written by the watchdog alone. Not here: Maestro's own log.
import { closeSync, openSync, fstatSync, renameSync, writeSync } from "node:fs";

const maxBytes = 4 * 1024 * 1024;

/** Appends lines to a file of at most 4 MiB and keeps one older file beside it (`.1`). Never throws: a full disk loses log lines only. */
export class BoundedLog {
  readonly #path: string;
  #fd: number | undefined;
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  write(line: string): void {
    try {
      if (this.#fd === undefined) {
        this.#fd = openSync(this.#path, "a", 0o600);
        this.#bytes = fstatSync(this.#fd).size;
      }
      this.#bytes += writeSync(this.#fd, `${line}\n`);
      if (this.#bytes < maxBytes) return;
      closeSync(this.#fd);
      this.#fd = undefined;
      renameSync(this.#path, `${this.#path}.1`);
    } catch {
      // Nowhere to report it: this is the report.
    }
  }
}
