// Checks what no other tool does: links of the documents lead to files and headings that exist, tests execute their blocks, every
// source file opens by saying what lives in it and names files that exist, none is too long, and no SQL file reads the
// transaction's clock.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { unexecuted } from "./docs/blocks.ts";
import { GUIDE, written } from "./docs/guide.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const MAX_LINES = 400;
const MAX_OPENING_LINES = 3;
/** A path that ends like one of our files, or in a slash; not the end of an address or of a package's name. */
const MENTION =
  /(?<![\w@:/.-])(?:\.{1,2}\/)*[\w*-][\w.*-]*(?:\/[\w.*-]+)*(?:\.(?:[cm]?[jt]s|sql|py|md|proto|yaml)\b|\/(?![\w*]))/g;
/** Folders that a fresh checkout does not have. */
const PRODUCED = ["dist/", "demo-out/", "build/"];
const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

const problems = [
  ...checkDocuments(),
  ...checkGuide(),
  ...["src", "test", "scripts"]
    .flatMap(files)
    .flatMap((path) => [...checkOpening(path), ...checkMentions(path), ...checkLength(path)]),
  ...files("src").flatMap(checkSqlClock),
];
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

function checkDocuments(): string[] {
  const beside = ["src", "docs", "test"].flatMap(files).filter((path) => path.endsWith(".md"));
  const missing = DOCUMENTS.filter((path) => !existsSync(join(root, path))).map((path) => `${path}: missing`);
  const present = [...DOCUMENTS, ...beside].filter((path) => existsSync(join(root, path)));
  return [...missing, ...present.flatMap(checkLinks), ...unexecuted(root, present)];
}

/** Its code is that of executors that the tests run. */
function checkGuide(): string[] {
  const guide = read(GUIDE);
  return written(root, guide) === guide ? [] : [`${GUIDE}: not as its sources; \`npm run generate\` mends this`];
}

function checkLinks(document: string): string[] {
  const lines = proseLines(read(document));
  return lines.flatMap(({ text, number }) =>
    [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = ""]) => {
      const reason = brokenLink(document, target);
      return reason === undefined ? [] : [`${document}:${number}: ${target} ${reason}`];
    }),
  );
}

function brokenLink(document: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? document : relative(root, join(root, dirname(document), path));
  if (file.startsWith("..")) return "leads out of the project";
  if (!existsSync(join(root, file))) return "does not exist";
  if (anchor === undefined || !file.endsWith(".md")) return undefined;
  return headings(file).includes(anchor) ? undefined : "names a heading that does not exist";
}

/** Anchors of a document's headings, spelled as code hosts spell them. */
function headings(document: string): string[] {
  return proseLines(read(document))
    .filter(({ text }) => /^#{1,6} /.test(text))
    .map(({ text }) =>
      text
        .replace(/^#+ /, "")
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );
}

/** Lines outside fenced code, where brackets are no links. */
function proseLines(markdown: string): { readonly text: string; readonly number: number }[] {
  let fenced = false;
  return markdown.split("\n").flatMap((line, index) => {
    const fence = /^\s*(```|~~~)/.test(line);
    if (fence) fenced = !fenced;
    return fence || fenced ? [] : [{ text: line, number: index + 1 }];
  });
}

/** The first comment of a file, of one to three lines, in whatever way its language writes comments. */
function checkOpening(path: string): string[] {
  const opening = openingOf(path);
  if (opening === undefined) return [];
  const { from, lines } = opening;
  if (lines.length === 0) return [`${path}:${from + 1}: opens without saying what lives here`];
  if (lines.length > MAX_OPENING_LINES)
    return [`${path}:${from + 1}: opens with ${lines.length} lines, more than ${MAX_OPENING_LINES}`];
  return [];
}

/** Files and folders that an opening names, such as `plan/ready.ts` or `graph/`: beside the file, or from a folder above it. */
function checkMentions(path: string): string[] {
  const { from, lines } = openingOf(path) ?? { from: 0, lines: [] };
  return lines.flatMap((line, index) =>
    [...line.matchAll(MENTION)].flatMap(([name]) =>
      folders(dirname(path), name).some((folder) => isThere(join(folder, name)))
        ? []
        : [`${path}:${from + index + 1}: names ${name}, which is not there`],
    ),
  );
}

/** Where a mentioned name may start: with dots beside the file only, else in any folder above it too. */
function folders(folder: string, name: string): string[] {
  return folder === "." || name.startsWith(".") ? [folder] : [folder, ...folders(dirname(folder), name)];
}

function isThere(path: string): boolean {
  const [known = ""] = path.split("*");
  return PRODUCED.includes(path) || existsSync(join(root, known));
}

/** Undefined when the file need not have one. */
function openingOf(path: string): { readonly from: number; readonly lines: readonly string[] } | undefined {
  const marker = openingMarker(path);
  if (marker === undefined) return undefined;
  const lines = read(path).split("\n");
  const from = lines[0]?.startsWith("#!") === true ? 1 : 0;
  // Python has a place for it, and a convention of its own for its length.
  if (path.endsWith(".py") && lines[from]?.startsWith('"""') === true) return undefined;
  const length = lines.slice(from).findIndex((line) => !line.startsWith(marker));
  return { from, lines: lines.slice(from, from + length) };
}

function openingMarker(path: string): string | undefined {
  if (/\.[cm]?[jt]s$/.test(path)) return "//";
  if (path.endsWith(".sql")) return "--";
  return path.endsWith(".py") ? "#" : undefined;
}

function checkLength(path: string): string[] {
  if (!/\.(ts|js)$/.test(path)) return [];
  const count = read(path).split("\n").length - 1;
  return count > MAX_LINES ? [`${path}: ${count} lines, more than ${MAX_LINES}: split it`] : [];
}

/** The linter looks into TypeScript only. */
function checkSqlClock(path: string): string[] {
  if (!path.endsWith(".sql")) return [];
  return read(path)
    .split("\n")
    .flatMap((line, index) =>
      /\bnow\s*\(\s*\)|\b(current|local)_?time(stamp)?\b/i.test(line.replace(/--.*/, ""))
        ? [`${path}:${index + 1}: time is one reading of maestro.clock(), after the locks`]
        : [],
    );
}

function files(folder: string): string[] {
  const start = join(root, folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(node_modules|\.venv|__pycache__|generated)\//.test(path))
    .sort();
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
