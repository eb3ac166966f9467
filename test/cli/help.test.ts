// The manual page of every command, and the README's table of them: complete, and true to the commands themselves. Not here:
// what commands do.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { build } from "../../src/cli/cli.ts";
import { wordsOf } from "../../src/cli/completion/bash-line.ts";
import { textOf } from "../../src/cli/registrar.ts";
import { ROOT } from "../docs/snippets.ts";
import { here } from "./command.ts";

const program = build({
  out: () => undefined,
  err: () => undefined,
  terminal: false,
  columns: 100,
  env: {},
  signal: new AbortController().signal,
});

interface Found {
  readonly path: readonly string[];
  readonly command: Command;
}

const visible = (command: Command): readonly Command[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== "help");

function all(command: Command, path: readonly string[] = []): Found[] {
  return visible(command).flatMap((sub) => {
    const at = [...path, sub.name()];
    return [{ path: at, command: sub }, ...all(sub, at)];
  });
}

const every = all(program).map((found) => [found.path.join(" "), found] as const);

test.each(every)("%s has a manual page with an example", async (name, { path, command }) => {
  const { code, out, err } = await here([...path, "--help"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(new RegExp(`^NAME\n {2}maestro ${name} - ${command.description().replace(/[()?]/g, ".")}\n`));
  for (const heading of ["SYNOPSIS", "OPTIONS", "GLOBAL OPTIONS", "EXAMPLES", "EXIT CODES"])
    expect(out).toMatch(new RegExp(`^${heading}$`, "m"));
  const shared = /^GLOBAL OPTIONS\n([^]*?)\n\n/m.exec(out)?.[1] ?? "";
  expect(shared.match(/^ {2}-\S+.*?--[\w-]+|^ {2}--[\w-]+/gm)?.map((flag) => flag.replace(/.* /, ""))).toEqual(
    program.options.map(({ long }) => long),
  );
  expect(out).toMatch(new RegExp(`^EXAMPLES\n {2}maestro .*\\b${name}\\b.*\n {6}\\S`, "m"));
  for (const { line } of textOf(command)?.examples ?? []) expect(mistakeIn(line), line).toBe("");
});

test.each([
  [["runs"], /\(choices: "pending", "running", "succeeded", "failed", "cancelled"\)/],
  [["serve"], /port for gRPC, gRPC-Web, Connect, REST and its page \/docs/],
  [["completion"], /keys, runs, artifacts, packs, waivers and workflows/],
  [["waivers", "grant"], /whoever made it or its plan, can grant one/],
])("the page of %j says what its users look for", async (path, said) => {
  expect((await here([...path, "--help"])).out.replaceAll(/\s+/g, " ")).toMatch(said);
});

/** What is wrong with an example: a command that is not there, a flag that it does not have, too many or too few words. */
function mistakeIn(line: string): string {
  const { words } = wordsOf(line.replace(/ [>|] .*$/, ""));
  let command = program;
  const positionals: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const sub = positionals.length === 0 ? command.commands.find((one) => one.name() === word) : undefined;
    if (sub !== undefined) command = sub;
    else if (word.startsWith("--")) {
      const option = [...command.options, ...program.options].find(({ long }) => long === word);
      if (option === undefined) return `${word} is unknown`;
      if (option.required) i++;
    } else positionals.push(word);
  }
  const { registeredArguments } = command;
  const needed = registeredArguments.filter(({ required }) => required).length;
  const fits = positionals.length >= needed && positionals.length <= registeredArguments.length;
  return fits || visible(command).length > 0 ? "" : `${positionals.length} words for ${command.name()}`;
}

test("every argument is explained", () => {
  const silent = every.flatMap(([name, { command }]) =>
    command.registeredArguments.filter(({ description }) => description === "").map((one) => `${name} ${one.name()}`),
  );
  expect(silent).toEqual([]);
});

test("ids and names of goals are taken wherever a plan is, which help says", async () => {
  const taking = every.filter(([, { command }]) => command.registeredArguments.some((one) => one.name() === "plan"));
  expect(taking.length).toBeGreaterThan(10);
  for (const [, { path }] of taking)
    expect((await here([...path, "--help"])).out).toMatch(/^ {2}plan +plan id, goal id, or a goal's name/m);
});

describe("a wrong word", () => {
  test.each([
    [["gaols"], "goals"],
    [["cancle", "x"], "cancel"],
    [["execcutor"], "executor"],
    [["cancel", "x", "--reasn", "y"], "--reason"],
    [["completion", "bsh"], "Allowed choices are bash, zsh, fish"],
  ])("%j is answered with %s", async (args, nearest) => {
    const { code, out, err } = await here(args);
    expect(err).toContain(nearest.startsWith("Allowed") ? nearest : `(Did you mean ${nearest}?)`);
    expect([code, out]).toEqual([2, ""]);
  });

  test("is said again without what would move the cursor", async () => {
    const { err } = await here(["\u001b[2Jgoals"]);
    expect(err).toContain("unknown command '�[2Jgoals'");
  });
});

test("the README's table names every command, in its group", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, body = ""] = /^\| commands \| \|\n\|---\|---\|\n((?:\|.*\|\n)+)/m.exec(readme) ?? [];
  const rows = body
    .trimEnd()
    .split("\n")
    .map((row) => row.slice(2, -2).split(" | "))
    .map(([heading = "", names = ""]) => [heading, [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name)]);
  const groups = new Map<string, string[]>();
  for (const command of visible(program)) {
    const heading = command.helpGroup().toLowerCase();
    const below = all(command, [command.name()]).map(({ path }) => path.join(" "));
    // A command that does nothing by itself is its parts.
    const itself = textOf(command)?.onlyParts === true ? [] : [command.name()];
    groups.set(heading, [...(groups.get(heading) ?? []), ...itself, ...below]);
  }
  expect(rows).toEqual([...groups]);
});
