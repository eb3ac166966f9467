// Public keys that a plan file gives its builders, as text or in files beside it. Not here: what signatures they verify.
import { publicKeyProblem } from "../../support/public-key.ts";
import type { PlanFile } from "./shape.ts";

/** Reads a file that a plan file names; throws when it cannot. */
export type ReadKey = (file: string) => string;

export const NO_FILES: ReadKey = () => {
  throw new Error("files cannot be named here: give the key itself under public_keys");
};

export interface BuilderKeys {
  /** For each builder, in order. */
  readonly keys: readonly (readonly string[])[];
  readonly mistakes: readonly { readonly path: string; readonly message: string }[];
}

export function builderKeys({ charter }: PlanFile, readKey: ReadKey): BuilderKeys {
  const mistakes: { path: string; message: string }[] = [];
  const builders = (typeof charter === "string" ? undefined : charter.release?.builders) ?? [];
  const keys = builders.map(({ public_keys = [], key_files = [] }, i) => {
    const place = `charter.release.builders[${String(i)}]`;
    const judged = (path: string, text: string): string => {
      const message = publicKeyProblem(text);
      if (message !== undefined) mistakes.push({ path, message });
      return text;
    };
    const given = public_keys.map((text, k) => judged(`${place}.public_keys[${String(k)}]`, text));
    const read = key_files.flatMap((file, k) => {
      const path = `${place}.key_files[${String(k)}]`;
      try {
        return [judged(path, readKey(file))];
      } catch (error) {
        mistakes.push({ path, message: `cannot be read: ${error instanceof Error ? error.message : String(error)}` });
        return [];
      }
    });
    if (public_keys.length + key_files.length === 0)
      mistakes.push({ path: place, message: "needs a key, under public_keys or key_files" });
    return [...given, ...read];
  });
  return { keys, mistakes };
}
