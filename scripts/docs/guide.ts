// The executor guide's code: each block is a region of an executor that the tests run, written below a mark that names it.
// Not here: what a region is (regions.ts), and when the guide is written or judged.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { regionsOf } from "./regions.ts";

export const GUIDE = "docs/executors.md";

const FOLDERS: Readonly<Record<string, { readonly folder: string; readonly sources: RegExp }>> = {
  typescript: { folder: "test/clients/typescript", sources: /\.ts$/ },
  python: { folder: "test/clients/python", sources: /\.py$/ },
  go: { folder: "test/clients/go", sources: /\.go$/ },
  java: { folder: "test/clients/java/src/main/java/executor", sources: /\.java$/ },
};

/** A mark, and the block below it if there is one already. */
const BLOCK = /^<!-- (typescript|python|go|java): ([a-z]+) -->\n(?:\n```\w+\n[^]*?\n```\n)?/gm;

/** The guide with its blocks as the sources have them. Throws when a mark names a region that is not there. */
export function written(root: string, guide: string): string {
  return guide.replace(BLOCK, (_, language: string, name: string) => {
    const text = regions(root, language).get(name);
    if (text === undefined) throw new Error(`${GUIDE}: there is no region ${name} in ${language}`);
    return `<!-- ${language}: ${name} -->\n\n\`\`\`${language}\n${text}\n\`\`\`\n`;
  });
}

function regions(root: string, language: string): ReadonlyMap<string, string> {
  const { folder, sources } = FOLDERS[language] ?? { folder: "", sources: /$^/ };
  return new Map(
    readdirSync(join(root, folder))
      .filter((name) => sources.test(name))
      .flatMap((name) => regionsOf(readFileSync(join(root, folder, name), "utf8")))
      .map(({ name, text }) => [name, text]),
  );
}
