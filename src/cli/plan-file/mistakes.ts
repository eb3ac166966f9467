// What is wrong with a file, and where. Every mistake is listed, not only the first.
import { harmless } from "../table.ts";

export interface Mistake {
  /** From 1; 0 when the mistake has no place of its own. */
  readonly line: number;
  readonly column: number;
  /** Such as `steps.build.retry.max`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** One line a mistake, as compilers write them. */
export function describeMistakes(file: string, mistakes: readonly Mistake[]): string {
  return mistakes
    .map(({ line, column, path, message }) => {
      const place = line > 0 ? `${file}:${line}:${column}` : file;
      // The file's own words among it.
      return harmless(`${place}: ${path === "" ? "" : `${path}: `}${message}`);
    })
    .join("\n");
}
