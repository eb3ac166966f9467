// The group of release governance: whether runs may be released, and what is told of them to others. Not here: the commands of
// runs themselves, see release-runs.ts.
import { GateModeSchema } from "../../../gen/maestro/v1/charter_pb.ts";
import type { GateFlags } from "../commands/gate.ts";
import type { CreatePackFlags, ExportFlags, PacksFlags } from "../commands/packs.ts";
import type { VerifyFlags } from "../commands/pack-verify.ts";
import type { GrantFlags } from "../commands/waivers.ts";
import { collect, wordOption } from "../flags.ts";
import { addLimit } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import type { Group, Registrar } from "../registrar.ts";
import { addArtifacts, addRuns, addWorkflows } from "./release-runs.ts";

// Only who asks pays for loading what it takes; help and completion are quick.
const packCommands = () => import("../commands/packs.ts");
const waiverCommands = () => import("../commands/waivers.ts");

const RUN = "run_01j8zq5x0nf3v9w6m2t4y7k1hb";
const PACK = "pack_01j8zq5x0nf3v9w6m2t4y7k1hb";
const WAIVER = "waiver_01j8zq5x0nf3v9w6m2t4y7k1hb";

export const releasing: Group = {
  heading: "RELEASING",
  register: (registrar) => {
    addRuns(registrar);
    addArtifacts(registrar);
    addGate(registrar);
    addWaivers(registrar);
    addPacks(registrar);
    addWorkflows(registrar);
  },
};

function addGate({ add, context }: Registrar): void {
  add({
    usage: "gate <run>",
    summary: "say whether a run may be released, rule by rule",
    details:
      "Changes nothing. With --step it is what that gate of the run's plan would say now, by what it depends on. Ends with 4 when " +
      "the gate does not let the run pass.",
    examples: [
      { line: "gate pack", what: "as the charter's release policy has it" },
      { line: "gate pack --step release", what: "while the plan is under way: whether its gate would pass now" },
      { line: "gate pack --mode verified", what: "as if the policy said so" },
    ],
  })
    .addOption(wordOption("--mode <mode>", "how to judge; as the charter says unless given", GateModeSchema))
    .option("--step <step>", "a gate step of the run's plan; the run as a whole unless given")
    .action(async (run: string, flags: GateFlags) => (await import("../commands/gate.ts")).gate(run, flags, context()));
}

function addWaivers({ add, context }: Registrar): void {
  const list = addLimit(
    add({
      usage: "waivers [run]",
      summary: "list waivers of the gate's rules, newest first, of all runs or of one",
      examples: [{ line: "waivers pack", what: "who lifted what, and until when" }],
    }),
  ).action(async (run: string | undefined, flags: ListFlags) =>
    (await waiverCommands()).waivers(run, flags, context()),
  );
  add(
    {
      usage: "grant <run> <rule>",
      arguments: { rule: "rule of the gate, as `gate` lists it" },
      summary: "let a run pass although a rule does not hold, and print the waiver's id",
      details: "Signed and kept. Neither the run's owner, nor whoever made it or its plan, can grant one.",
      examples: [{ line: `waivers grant ${RUN} sbom.subject --reason "seen by two" --expires 7d`, what: "for a week" }],
    },
    list,
  )
    .requiredOption("--reason <text>", "why; kept with the waiver")
    .requiredOption("--expires <when>", "from when on it counts no more: 7d, a day, or a time; at most a year away")
    .option("--artifact <artifact>", "for this artifact only", "")
    .action(async (run: string, rule: string, flags: GrantFlags) =>
      (await waiverCommands()).grantWaiver(run, rule, flags, context()),
    );
  add(
    {
      usage: "revoke <waiver>",
      summary: "take a waiver back",
      examples: [{ line: `waivers revoke ${WAIVER}`, what: "from now on" }],
    },
    list,
  ).action(async (waiver: string) => (await waiverCommands()).revokeWaiver(waiver, context()));
}

function addPacks({ add, context }: Registrar): void {
  const list = addLimit(
    add({
      usage: "packs [pack]",
      summary: "list disclosure packs, newest first, or show one",
      examples: [{ line: "packs --run pack", what: "what was told of a run" }],
    }),
  )
    .alias("pack")
    .option("--run <run>", "only those of this run")
    .action(async (pack: string | undefined, flags: PacksFlags) => {
      const { packs, showPack } = await packCommands();
      await (pack === undefined ? packs(flags, context()) : showPack(pack, context()));
    });
  add(
    {
      usage: "create <run>",
      summary: "make a disclosure pack of a run, and print its id",
      details: "Of the artifacts that are named, or of all that count for the gate. It never changes.",
      examples: [
        { line: 'packs create pack --summary "1.2.0, with all evidence"', what: "of all artifacts of a run" },
        { line: `packs create pack --summary "1.2.0" --redact 'outcome.*'`, what: "outcomes withheld from exports" },
      ],
    },
    list,
  )
    .requiredOption("--summary <text>", "what is said of it")
    .option("--artifact <artifact>", "artifact of the run; repeatable", collect, [])
    .option("--redact <kind>", "kind of records whose bodies are withheld; repeatable", collect, [])
    .action(async (run: string, flags: CreatePackFlags) => (await packCommands()).createPack(run, flags, context()));
  add(
    {
      usage: "export <pack>",
      summary: "write a pack's signed archive",
      details: "`maestro packs verify` checks it, without a server.",
      examples: [{ line: `packs export ${PACK} --output release.tar.gz`, what: "for whoever wants to check it" }],
    },
    list,
  )
    .option("-o, --output <file>", "where to; as the server names it, here, unless given")
    .action(async (pack: string, flags: ExportFlags) => (await packCommands()).exportPack(pack, flags, context()));
  addLimit(
    add(
      {
        usage: "keys",
        summary: "list the keys that the org's packs and waivers are signed with, newest first",
        details: "Hand their ids, or with --json the keys, to whoever verifies, on a way that they trust.",
        examples: [{ line: "packs keys", what: "what `packs verify --key-id` is given" }],
      },
      list,
    ),
  ).action(async (flags: ListFlags) => (await packCommands()).signingKeys(flags, context()));
  add(
    {
      usage: "verify <archive>",
      arguments: { archive: "an exported pack; - for standard input" },
      summary: "check an exported pack, without a server",
      details:
        "Its signature, every file, the chain of records with their leaves, evidence, waivers and what the gate said must fit together. " +
        "Without --key or --key-id it says that nothing was changed since it was signed, but not by whom.",
      examples: [
        {
          line: "packs verify release.tar.gz --key-id sha256:…",
          what: "signed by that key, as `keys.json` or a list of signing keys has it",
        },
        { line: "packs verify release.tar.gz --key signer.pem --json", what: "for programs" },
      ],
    },
    list,
  )
    .option("--key <file>", "public key that must have signed it, PEM")
    .option("--key-id <id>", "id of the key that must have signed it, sha256:…")
    .action(async (archive: string, flags: VerifyFlags) =>
      (await import("../commands/pack-verify.ts")).verifyPackFile(archive, flags, context()),
    );
}
