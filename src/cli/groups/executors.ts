// The group of executors: the fleet as operators see it, and `executor run`.
import { availableParallelism, hostname } from "node:os";
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { collect, pairOf, wholeTo } from "../flags.ts";
import { addLimit } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import type { Group, Registrar } from "../registrar.ts";

// Only who asks for the fleet pays for loading what it takes; help and completion are quick.
const fleetCommands = () => import("../commands/executors.ts");

export const executors: Group = {
  heading: "EXECUTORS",
  register: (registrar) => {
    addFleet(registrar);
    addRun(registrar);
  },
};

function addFleet({ add, context }: Registrar): void {
  const fleet = addLimit(
    add({
      usage: "executors [executor]",
      summary: "list executors, or show one",
      examples: [
        { line: "executors", what: "who is there, and what each can do" },
        { line: "executors resizer-1", what: "all about one" },
        { line: "executors drain resizer-1", what: "give it no new work" },
      ],
    }),
  ).action(async (executor: string | undefined, flags: ListFlags) => {
    const { executors: list, showExecutor } = await fleetCommands();
    await (executor === undefined ? list(flags, context()) : showExecutor(executor, context()));
  });
  add(
    {
      usage: "drain <executor>",
      summary: "give an executor no new work",
      details: "What it has goes on. Undone when it registers again.",
      examples: [{ line: "executors drain resizer-1", what: "before its machine is taken away" }],
    },
    fleet,
  ).action(async (executor: string) => (await fleetCommands()).drain(executor, context()));
  const trust: Command = add(
    {
      usage: "trust <executor> <trust>",
      arguments: { trust: "from 0, not at all, to 1" },
      summary: "set how far an executor is trusted",
      details: "Steps, goals and charters can ask for a least trust; an executor below it is given none of their work.",
      examples: [{ line: "executors trust resizer-1 0.8", what: "after a look at what it did" }],
    },
    fleet,
  );
  trust.registeredArguments[1]?.argParser(share);
  trust.action(async (executor: string, value: number) => (await fleetCommands()).setTrust(executor, value, context()));
}

function share(typed: string): number {
  const number = Number(typed);
  if (typed.trim() === "" || !(number >= 0 && number <= 1))
    throw new InvalidArgumentError("must be a number from 0 to 1");
  return number;
}

interface ExecutorRunFlags {
  readonly name: string;
  readonly slots: number;
  readonly label: readonly string[];
  readonly org: readonly string[];
  readonly capability: readonly string[];
}

function addRun({ add, context }: Registrar): void {
  const executor = add({
    usage: "executor",
    summary: "be an executor",
    onlyParts: true,
    examples: [{ line: "executor run", what: "perform command steps on this machine" }],
  });
  add(
    {
      usage: "run",
      summary: "perform command steps on this machine",
      details:
        "Attaches to the server and takes steps up to its slots, until it is told to end: the first signal drains, the second ends " +
        "what runs.\n\nCommands run as the user of this process. Commands of the same user can read its memory and the environment " +
        "it was started with, and so its API key: run untrusted commands as another user, in an executor of their own.",
      examples: [
        { line: "executor run", what: "for the server of this machine" },
        {
          line: "executor run --name gpu-1 --slots 2 --label gpu=a100 --org research",
          what: "for steps that ask for the label",
        },
      ],
    },
    executor,
  )
    .option("--name <name>", "unique in the org; the id stays with it", `shell-${hostname()}`.slice(0, 128))
    .option("--slots <count>", "how many steps to perform at once", wholeTo(4096), availableParallelism())
    .option("--label <name=value>", "label that steps can ask for; repeatable", collect, [])
    .option("--org <org>", "org whose steps it takes; repeatable", collect, [])
    .option("--capability <name>", "capability it takes, `shell` unless given; repeatable", collect, [])
    .action(async ({ name, slots, label, org, capability }: ExecutorRunFlags) => {
      const capabilities = capability.length === 0 ? ["shell"] : capability;
      const labels = Object.fromEntries(label.map((one) => pairOf("--label", one)));
      const { runExecutor } = await import("../commands/executor-run.ts");
      await runExecutor({ name, slots, labels, orgs: org, capabilities }, context());
    });
}
