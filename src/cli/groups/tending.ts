// The group of commands about an installation as a whole: `doctor`, `export` and `import`. Not here: serving it.
import { Option } from "commander";
import type { Command } from "commander";
import type { ExportFlags, PlaceFlags } from "../commands/move.ts";
import { SETTINGS, flagOf } from "../../config.ts";
import type { SettingName } from "../../config.ts";
import type { Group, Registrar } from "../registrar.ts";
import { addWfcommons } from "./wfcommons.ts";

export const tending: Group = {
  heading: "INSTALLATION",
  register: (registrar) => {
    addDoctor(registrar);
    addMoves(registrar);
  },
};

function addDoctor({ add, context, io }: Registrar): void {
  const doctor = add({
    usage: "doctor",
    summary: "look for what keeps a server from starting or working",
    details:
      "Examines settings, ports, the embedded engine or the database, the schema, clocks, leases of servers that are gone, steps that " +
      "nobody could take, and the server that --server names. Says of each what it means and what to do. Changes nothing, and ends " +
      "with 1 when anything fails.",
    examples: [
      { line: "doctor", what: "for a server with the settings of the environment" },
      { line: "--server https://maestro.example.org doctor", what: "and how that server looks from here" },
      { line: "--json doctor --config maestro.yaml", what: "of a file's settings, an object a line" },
    ],
  });
  for (const [name, { kind, env, help }] of Object.entries(SETTINGS)) {
    const flag = flagOf(name as SettingName);
    doctor.addOption(new Option(kind === "flag" ? flag : `${flag} <value>`, `${help} [${env}]`));
  }
  doctor.option("--config <file>", "settings by name, YAML or JSON");
  doctor.action(async ({ config, ...settings }: Record<string, unknown>) => {
    // Only who is examined pays for loading the store.
    const { doctor: examine } = await import("../commands/doctor.ts");
    const { server = io.env["MAESTRO_URL"] ?? "" } = doctor.optsWithGlobals<{ server?: string }>();
    await examine({ settings, named: server !== "", ...(typeof config === "string" && { config }) }, context());
  });
}

function addMoves(registrar: Registrar): void {
  const { add, context } = registrar;
  placed(
    add({
      usage: "export",
      summary: "write a whole installation to a file",
      details:
        "Everything that is kept, of all orgs, as it is at one moment: between the embedded database and a server, between " +
        "versions of Postgres, and as a backup. Stop the server first. With --force a database behind DATABASE_URL is exported " +
        "beside servers at work, in one snapshot: what they do from then on is not in the file. The file holds all data and the " +
        "digests of API keys, and only its owner may read it.",
      examples: [
        { line: "export --output backup.maestro.gz", what: "of the embedded database, compressed" },
        {
          line: "export --database-url postgres://maestro@db/maestro --gzip | ssh vault 'cat > backup.maestro.gz'",
          what: "of a server, through a pipe",
        },
      ],
    }),
  )
    .option("-o, --output <file>", "where to, compressed when it ends in .gz; - for standard output", "-")
    .option("--gzip", "compressed, whatever the name")
    .option("--force", "also beside servers at work")
    .action(async (flags: ExportFlags) => {
      // Only who moves pays for loading the store.
      const { exportInstallation } = await import("../commands/move.ts");
      await exportInstallation(flags, context());
    });
  const load = placed(
    add({
      usage: "import <export>",
      summary: "load an exported installation into an empty one",
      details:
        "The file, compressed or not, is checked from end to end before anything is changed. All of it is loaded, compared with the file and committed, " +
        "or nothing: an import that is killed is simply made again. Plans go on when a server starts: what ran elsewhere comes back " +
        "as after a crash of its server. Never let the old and the new one run both: each would do the same work.",
      examples: [
        { line: "import backup.maestro.gz --data-dir /srv/maestro", what: "into the embedded database of that folder" },
        { line: "import maestro.export --database-url postgres://maestro@db/maestro", what: "into a server" },
      ],
    }),
  ).action(async (file: string, flags: PlaceFlags) => {
    const { importInstallation } = await import("../commands/move.ts");
    await importInstallation(file, flags, context());
  });
  const [argument] = load.registeredArguments;
  if (argument !== undefined) argument.description = "file that `maestro export` wrote";
  addWfcommons(registrar, load);
}

/** Flags that say where the database is; each has its setting's words. */
function placed(command: Command): Command {
  for (const name of ["dataDir", "databaseUrl", "directUrl"] as const)
    command.option(`${flagOf(name)} <value>`, `${SETTINGS[name].help} [${SETTINGS[name].env}]`);
  return command.option("--config <file>", "settings of the server, YAML or JSON");
}
