// Values as the files of an exported pack: a document, or a list of lines in files of a bounded size. Not here: what they say.
import { LINES_FILE_BYTES, listFile } from "../domain/release/pack-files.ts";
import type { PackList } from "../domain/release/pack-files.ts";
import type { TarFile } from "../support/tar.ts";

export function document(name: string, value: unknown): TarFile {
  const bytes = Buffer.from(JSON.stringify(value), "utf8");
  return { name, size: bytes.length, chunks: [bytes] };
}

/** A line for each value; none for no values, and a further file whenever one is full. */
export async function* lines(
  list: PackList,
  values: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncGenerator<TarFile> {
  let held: Buffer[] = [];
  let size = 0;
  let number = 0;
  const file = (): TarFile => {
    const whole = { name: listFile(list, (number += 1)), size, chunks: held };
    held = [];
    size = 0;
    return whole;
  };
  for await (const value of values) {
    const line = Buffer.from(`${JSON.stringify(value)}\n`, "utf8");
    if (size > 0 && size + line.length > LINES_FILE_BYTES) yield file();
    held.push(line);
    size += line.length;
  }
  if (size > 0) yield file();
}
