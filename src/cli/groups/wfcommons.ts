// `import wfcommons`, a command below `import`: recorded workflows. Not here: what it does.
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { WfcommonsFlags } from "../commands/import-wfcommons.ts";
import { wholeTo } from "../flags.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import type { Registrar } from "../registrar.ts";

interface LocalFlags {
  readonly dataDir?: string;
}

const SHELLS = 16;

export function addWfcommons({ add, context, io }: Registrar, parent: Command): void {
  const command = add(
    {
      usage: "wfcommons <recording>",
      summary: "make a plan of a recorded scientific workflow, and run it",
      details:
        "Reads WfFormat 1.4 to 1.6, as WfCommons publishes it. Tasks become steps that take as long as they did, times --scale; " +
        "files that carry a dependency become artifacts, other dependencies plain edges; sizes, machines and programs are noted in " +
        "the steps' inputs. The command brings the executor that performs them, with as many slots as the recorded machines had " +
        "cores; with --shell steps are commands for a shell executor. The plan is shown and run as `apply` does. Files that cannot " +
        "be read are refused with every reason.",
      examples: [
        { line: "import wfcommons montage.json --local", what: "run it here, a hundred times as fast" },
        {
          line: "import wfcommons montage.json --scale 0.001 --slots 64",
          what: "on a server, faster, 64 tasks at once",
        },
        { line: "import wfcommons montage.json --output montage.yaml", what: "only write the plan file" },
      ],
    },
    parent,
  )
    .option("--scale <factor>", "seconds that a recorded second becomes", factor, 0.01)
    .option("--shell", "steps are commands that sleep, for a shell executor")
    .option("-o, --output <file>", "write a plan file, and run nothing; - for standard output")
    .option("--slots <count>", "how many tasks at once", wholeTo(4096))
    .option("--dry-run", "only show what would happen")
    .option("--detach", "do not wait for the plan's end, nor perform its steps")
    .option("--again", "make a new goal although one of this name exists")
    .option("--local", "start a server in this process")
    .option("--data-dir <folder>", "with --local: folder of the embedded database");
  const [argument] = command.registeredArguments;
  if (argument !== undefined) argument.description = "file in WfFormat, JSON; - for standard input";
  command.action(async (file: string, _own: unknown, self: Command) => {
    // The parent has a --data-dir as well, and takes it wherever it stands.
    const flags = self.optsWithGlobals<WfcommonsFlags & LocalFlags>();
    if (flags.local === true && flags.detach === true)
      throw new CommandEnd(MISUSED, "--detach needs a server that goes on; --local ends with the command");
    const { importWfcommons, readWfcommons } = await import("../commands/import-wfcommons.ts");
    const imported = readWfcommons(file, flags);
    if (flags.local !== true || flags.output !== undefined) return importWfcommons(file, imported, flags, context());
    const { startLocal } = await import("../local.ts");
    const local = await startLocal(flags.dataDir, flags.slots ?? SHELLS, io);
    try {
      await importWfcommons(file, imported, flags, context(local.url));
    } finally {
      await local.close();
    }
  });
}

function factor(typed: string): number {
  const value = Number(typed);
  if (typed.trim() === "" || !(value >= 0 && value <= 1000))
    throw new InvalidArgumentError("must be a number from 0 to 1000");
  return value;
}
