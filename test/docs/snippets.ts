// Commands and fenced snippets of the documents. Not here: running them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

export interface Snippet {
  /** Such as `README.md:13`. */
  readonly place: string;
  /** The fence's word; empty when it has none. */
  readonly language: string;
  readonly text: string;
}

const texts = DOCUMENTS.map((document) => ({ document, text: readFileSync(join(ROOT, document), "utf8") }));

/** Everything between fences. */
export const snippets: readonly Snippet[] = texts.flatMap(({ document, text }) =>
  [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(({ 1: language = "", 2: body = "", index }) => ({
    place: `${document}:${text.slice(0, index).split("\n").length}`,
    language,
    text: body,
  })),
);

/** Each command that a reader is told to type: lines of shell snippets, and what stands in the text as code. */
export const commands: readonly string[] = [
  ...new Set([
    ...snippets.filter(({ language }) => language === "sh").flatMap(({ text }) => text.trimEnd().split("\n")),
    ...texts.flatMap(({ text }) =>
      [...text.matchAll(/`((?:npm|npx|node|maestro|\.ci\/run)(?: [^`\n]*)?)`/g)].map(([, command = ""]) => command),
    ),
  ]),
].filter((command) => !["maestro", "node", "npm"].includes(command));

/** The only one of its language in the documents. */
export function only(language: string): Snippet {
  const [found, ...others] = snippets.filter((snippet) => snippet.language === language);
  if (found === undefined || others.length > 0)
    throw new Error(
      `${others.length + (found === undefined ? 0 : 1)} snippets of ${language}: each needs a test of its own`,
    );
  return found;
}
