// The commands of runs, of what they made, and of the workflows that they are made from. Not here: whether they may be released,
// and what is told of them, see release.ts.
import type { Command } from "commander";
import { ArtifactKindSchema } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import { RunStatusSchema } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import type { AddFlags, ArtifactsFlags } from "../commands/run-artifacts.ts";
import type { CreateRunFlags, UpdateRunFlags } from "../commands/run-changes.ts";
import type { RunsFlags } from "../commands/runs.ts";
import { collect, costOf, wordOption } from "../flags.ts";
import { addLimit } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import type { Registrar } from "../registrar.ts";

// Only who asks pays for loading what it takes; help and completion are quick.
const runCommands = () => import("../commands/runs.ts");
const changes = () => import("../commands/run-changes.ts");
const artifactCommands = () => import("../commands/run-artifacts.ts");
const workflowCommands = () => import("../commands/workflows.ts");

const RUN = "run_01j8zq5x0nf3v9w6m2t4y7k1hb";
const ARTIFACT = "art_01j8zq5x0nf3v9w6m2t4y7k1hb";
const WORKFLOW = "wf_01j8zq5x0nf3v9w6m2t4y7k1hb";

export function addRuns({ add, context }: Registrar): void {
  const list = addLimit(
    add({
      usage: "runs [run]",
      summary: "list runs, newest first, or show one",
      details:
        "Every committed plan is a run; so is work done elsewhere that was told of with `runs create`. Status, end and cost of a " +
        "plan's run are the plan's.",
      examples: [
        { line: "runs --status succeeded --owner ci", what: "what could be released" },
        { line: "runs pack", what: "the run of the goal of that name" },
      ],
    }),
  )
    .option("--owner <owner>", "only those of this owner", "")
    .addOption(wordOption("--status <status>", "only those that stand there", RunStatusSchema))
    .action(async (run: string | undefined, flags: RunsFlags) => {
      const { runs, showRun } = await runCommands();
      await (run === undefined ? runs(flags, context()) : showRun(run, context()));
    });
  const create = add(
    {
      usage: "create <name>",
      arguments: { name: "for people" },
      summary: "tell of work done elsewhere, and print the run's id",
      examples: [
        { line: 'runs create "nightly build" --status running --cost-estimate 2.5', what: "of yours" },
        { line: 'runs create "nightly build" --charter release', what: "judged by the release policy of that charter" },
      ],
    },
    list,
  );
  addAbout(create)
    .option("--charter <charter>", "whose release policy judges it; the flags are believed unless given", "")
    .addOption(wordOption("--status <status>", "where it stands; pending unless given", RunStatusSchema))
    .action(async (name: string, flags: CreateRunFlags) => (await changes()).createRun(name, flags, "", context()));
  const update = add(
    {
      usage: "update <run>",
      summary: "change a run; status moves only forward",
      details:
        "Status, end and cost of a plan's run cannot be changed. Ids and metadata replace those that were there.",
      examples: [{ line: `runs update ${RUN} --status succeeded --cost-actual 2.1`, what: "it ended now" }],
    },
    list,
  );
  addAbout(update)
    .option("--name <name>", "for people")
    .addOption(wordOption("--status <status>", "where it stands", RunStatusSchema))
    .option("--cost-actual <cost>", "what it cost", costOf)
    .option("--finished-at <time>", "when it ended; now unless given, when it ends")
    .action(async (run: string, flags: UpdateRunFlags) => (await changes()).updateRun(run, flags, context()));
  add(
    {
      usage: "manifest <run>",
      summary: "show a run with its artifacts, its newest pack and what the gate says",
      examples: [{ line: "runs manifest pack", what: "all that counts for its release" }],
    },
    list,
  ).action(async (run: string) => (await runCommands()).manifest(run, context()));
}

/** What `runs create`, `runs update` and `workflows run` are told alike. */
function addAbout(command: Command): Command {
  return command
    .option("--owner <owner>", "whose it is; of a new one the caller's unless given")
    .option("--cost-estimate <cost>", "what it is thought to cost", costOf)
    .option("--entity <id>", "entity elsewhere that it is about; repeatable", collect, [])
    .option("--decision <id>", "decision elsewhere that it is about; repeatable", collect, [])
    .option("--metadata <name=value>", "whatever else is worth keeping; repeatable", collect, []);
}

export function addArtifacts({ add, context }: Registrar): void {
  const list = addLimit(
    add({
      usage: "artifacts [artifact]",
      summary: "list what runs made and what speaks for it, newest first, or show one",
      examples: [
        { line: "artifacts --run pack --kind sbom", what: "bills of materials of one run" },
        { line: `artifacts ${ARTIFACT}`, what: "all about one" },
      ],
    }),
  )
    .option("--run <run>", "only those of this run")
    .addOption(wordOption("--kind <kind>", "only those of this kind", ArtifactKindSchema))
    .action(async (artifact: string | undefined, flags: ArtifactsFlags) => {
      const { artifacts, showArtifact } = await artifactCommands();
      await (artifact === undefined ? artifacts(flags, context()) : showArtifact(artifact, context()));
    });
  add(
    {
      usage: "add <run> <file>",
      arguments: { file: "file that Maestro is to keep, or an address such as s3://bucket/key" },
      summary: "make an artifact of a run known, and print its id",
      details:
        "A file is uploaded first, and its digest goes with it. An address is taken as it is; whether its content can be had is the " +
        "verified gate's question. An artifact never changes.",
      examples: [
        { line: `artifacts add ${RUN} sbom.cdx.json --kind sbom`, what: "a bill of materials" },
        {
          line: `artifacts add ${RUN} s3://releases/app.tgz --kind other --hash sha256:9f86d081 --sbom --slsa --risk`,
          what: "what is kept elsewhere, with all that the gate of flags asks for",
        },
      ],
    },
    list,
  )
    .addOption(wordOption("--kind <kind>", "what it is", ArtifactKindSchema).makeOptionMandatory())
    .option("--hash <digest>", "digest of the content, as algorithm:text; of a file its SHA-256 unless given")
    .option("--content-type <type>", "media type of a file", "")
    .option("--sbom", "it comes with a bill of materials; one itself does anyway")
    .option("--slsa", "it comes with provenance")
    .option("--risk", "it comes with a risk assessment")
    .option("--metadata <name=value>", "whatever else is worth keeping; repeatable", collect, [])
    .action(async (run: string, file: string, flags: AddFlags) =>
      (await artifactCommands()).addArtifact(run, file, flags, context()),
    );
}

export function addWorkflows({ add, context }: Registrar): void {
  const list = addLimit(
    add({
      usage: "workflows [workflow]",
      summary: "list workflows, newest first, or show one",
      examples: [{ line: "workflows", what: "what runs can be made from" }],
    }),
  ).action(async (workflow: string | undefined, flags: ListFlags) => {
    const { workflows, showWorkflow } = await workflowCommands();
    await (workflow === undefined ? workflows(flags, context()) : showWorkflow(workflow, context()));
  });
  add(
    {
      usage: "create <file>",
      arguments: { file: "workflow, YAML or JSON: name, tasks, dependencies; - for standard input" },
      summary: "make a workflow, and print its id",
      examples: [{ line: "workflows create workflow.yaml", what: "it never changes" }],
    },
    list,
  ).action(async (file: string) => (await workflowCommands()).createWorkflow(file, context()));
  addAbout(
    add(
      {
        usage: "run <workflow> <name>",
        arguments: { name: "of the run, for people" },
        summary: "make a run of a workflow, and print its id",
        details:
          "A plan whose steps are its tasks, committed at once; `agent_type` is what executors must be able to do.",
        examples: [{ line: `workflows run ${WORKFLOW} "tonight"`, what: "watch it with `watch` and the run's plan" }],
      },
      list,
    ),
  )
    .option("--charter <charter>", "charter that it goes under; `conductor` unless given", "")
    .action(async (workflow: string, name: string, flags: CreateRunFlags) =>
      (await changes()).createRun(name, flags, workflow, context()),
    );
}
