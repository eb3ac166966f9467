// The group of `serve`: the server as a process.
import { Option } from "commander";
import type { Command } from "commander";
import { SETTINGS, flagOf } from "../../config.ts";
import type { SettingName } from "../../config.ts";
import type { CliIo } from "../io.ts";
import type { Group } from "../registrar.ts";

export const serving: Group = {
  heading: "SERVER",
  register: ({ add, io, context }) => {
    const serve = add({
      usage: "serve",
      summary: "run the server",
      details:
        "Listens until it is told to end, and drains. Flags win over the environment, which wins over the file. On this machine " +
        "nobody needs a credential; a server that others reach asks for API keys.",
      examples: [
        { line: "serve", what: "on the usual ports, with a database of its own" },
        { line: "serve --port 9001 --grpc-port 9002 --config maestro.yaml", what: "on others, with a settings file" },
      ],
    });
    addSettings(serve, io, () => context().json);
  },
};

function addSettings(command: Command, io: CliIo, json: () => boolean): void {
  for (const [name, { kind, env, help }] of Object.entries(SETTINGS)) {
    const flag = flagOf(name as SettingName);
    command.addOption(new Option(kind === "flag" ? flag : `${flag} <value>`, `${help} [${env}]`));
  }
  command.option("--config <file>", "settings by name, YAML or JSON");
  command.action(async ({ config, ...settings }: Record<string, unknown>) => {
    // Only who serves pays for loading the server.
    const { serve } = await import("../serve.ts");
    await serve({ settings, json: json(), ...(typeof config === "string" && { configFile: config }) }, io);
  });
}
