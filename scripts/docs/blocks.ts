// Every fenced block of the documents, and the test that executes it. Diagrams are fenced as `text`. Not here: the executor
// guide's blocks below a mark (guide.ts), which are regions of code that tests run.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Block {
  readonly document: string;
  readonly line: number;
  /** The fence's word. */
  readonly language: string;
  readonly marked: boolean;
}

/** By document and language: how many blocks there are, and what runs them. */
const EXECUTED: Readonly<Record<string, Readonly<Record<string, { readonly count: number; readonly by: string }>>>> = {
  "README.md": {
    sh: { count: 2, by: "test/docs/readme.test.ts" },
    ts: { count: 1, by: "test/docs/readme.test.ts" },
    yaml: { count: 1, by: "test/docs/readme.test.ts" },
  },
  "docs/executors.md": { sh: { count: 1, by: ".ci/installed-package" } },
  "docs/release.md": {
    sh: { count: 2, by: "test/docs/release.test.ts" },
    yaml: { count: 1, by: "test/docs/release.test.ts" },
  },
  "src/testing/README.md": { ts: { count: 2, by: "test/testing/readme.test.ts" } },
  // Those tests build by the same commands, in folders of their own.
  "test/clients/go/README.md": { sh: { count: 1, by: "test/clients/go.test.ts" } },
  "test/clients/java/README.md": { sh: { count: 1, by: "test/clients/java.test.ts" } },
  "test/clients/python/README.md": { sh: { count: 1, by: "test/clients/python.test.ts" } },
};

/** What is wrong: blocks that nothing executes, and what is said to execute some that are not there. */
export function unexecuted(root: string, documents: readonly string[]): string[] {
  const blocks = documents.flatMap((document) => blocksOf(document, readFileSync(join(root, document), "utf8")));
  const problems = blocks.flatMap(({ document, line, language, marked }) => {
    if (language === "text" || marked || EXECUTED[document]?.[language] !== undefined) return [];
    const kind = language === "" ? "a block without a language" : `a block of ${language}`;
    return [`${document}:${line}: ${kind} that no test executes; a diagram is fenced as text`];
  });
  for (const [document, languages] of Object.entries(EXECUTED)) {
    for (const [language, { count, by }] of Object.entries(languages)) {
      const found = blocks.filter((one) => one.document === document && one.language === language && !one.marked);
      if (found.length !== count)
        problems.push(`${document}: ${found.length} blocks of ${language}, and ${by} is known to execute ${count}`);
      if (!existsSync(join(root, by))) problems.push(`${document}: ${by} is to execute it, and is not there`);
    }
  }
  return problems;
}

function blocksOf(document: string, markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split("\n");
  let open: string | undefined;
  for (const [index, text] of lines.entries()) {
    const [, fence, language = ""] = /^\s*(`{3,}|~{3,})(\w*)/.exec(text) ?? [];
    if (fence === undefined) continue;
    if (open !== undefined) {
      if (fence.startsWith(open)) open = undefined;
      continue;
    }
    open = fence;
    const marked = /^<!-- \w+: \w+ -->$/.test(lines[index - 2] ?? "");
    blocks.push({ document, line: index + 1, language, marked });
  }
  return blocks;
}
