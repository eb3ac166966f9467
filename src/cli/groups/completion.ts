// The group of shell completion: the script of a shell, and the hidden command that the scripts ask.
import { Argument } from "commander";
import type { Command } from "commander";
import { quoted, wordsOf } from "../completion/bash-line.ts";
import { complete } from "../completion/complete.ts";
import type { Completion, Lookup } from "../completion/complete.ts";
import { SCRIPTS, SHELLS } from "../completion/scripts.ts";
import type { Shell } from "../completion/scripts.ts";
import type { CliIo } from "../io.ts";
import type { Group } from "../registrar.ts";
import { harmless } from "../table.ts";

export const completion: Group = {
  heading: "SHELLS",
  register: ({ add, io, context }) => {
    add({
      usage: "completion",
      summary: "print a script that completes this command in a shell",
      details:
        "Completes commands, flags, files, and names of plans, goals, steps, executors, keys, runs, artifacts, packs, waivers and " +
        "workflows from the server that the line, or MAESTRO_URL, names. Without a server it completes the rest.",
      examples: [
        {
          line: "completion bash > ~/.local/share/bash-completion/completions/maestro",
          what: "for bash, from its next start",
        },
        { line: 'completion zsh > "${fpath[1]}/_maestro"', what: "for zsh" },
        { line: "completion fish > ~/.config/fish/completions/maestro.fish", what: "for fish" },
      ],
    })
      .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
      .action((shell: Shell) => {
        const script = SCRIPTS[shell];
        io.out(context().json ? `${JSON.stringify({ shell, script })}\n` : script);
      });
    add({
      usage: "__complete [words...]",
      summary: "say what could be typed next",
      hidden: true,
      examples: [{ line: "__complete fish -- goals --st", what: "what the scripts ask" }],
    }).action(async ([shell = "", ...words]: readonly string[], _flags: unknown, command: Command) => {
      const program = command.parent;
      if (program === null) return;
      const lines = shell === "bash" ? await forBash(program, words, io) : await plain(program, words, io);
      for (const line of lines) io.out(`${line}\n`);
    });
  },
};

/** Only values that a server knows pay for loading what it takes to ask. */
function lookup(io: CliIo): Lookup {
  return async (wanted, asked) => (await import("../completion/names.ts")).namesFrom(io)(wanted, asked);
}

async function plain(program: Command, words: readonly string[], io: CliIo): Promise<readonly string[]> {
  const found = await complete(program, words, lookup(io));
  return [
    ...files(found),
    ...found.candidates.map(({ value, note }) => harmless(value) + (note === "" ? "" : `\t${harmless(note)}`)),
  ];
}

/** Bash splits words where we do not, and replaces only the last part of what was typed. */
async function forBash(
  program: Command,
  [name = "", part = "", line = ""]: readonly string[],
  io: CliIo,
): Promise<readonly string[]> {
  const { words, quote } = wordsOf(line);
  const typed = words.slice(words.indexOf(name) + 1);
  const found = await complete(program, typed, lookup(io));
  const last = typed.at(-1) ?? "";
  const tail = /^[=:]*$/.test(part) ? "" : (wordsOf(part).words.at(-1) ?? "");
  const before = last.endsWith(tail) ? last.length - tail.length : 0;
  return [...files(found), ...found.candidates.flatMap(({ value }) => quoted(value.slice(before), quote) ?? [])];
}

function files({ files: wanted }: Completion): readonly string[] {
  return wanted ? [":files"] : [];
}
