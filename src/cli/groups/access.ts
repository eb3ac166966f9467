// The group of API keys and what they may do.
import type { GrantsFlags } from "../commands/grants.ts";
import type { CreateFlags } from "../commands/keys.ts";
import { collect } from "../flags.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import { addLimit } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import type { Group, Registrar } from "../registrar.ts";

// Only who asks for keys pays for loading what it takes; help and completion are quick.
const keyCommands = () => import("../commands/keys.ts");

export const access: Group = {
  heading: "ACCESS",
  register: (registrar) => {
    addKeys(registrar);
    addGrants(registrar);
  },
};

function addKeys({ add, context }: Registrar): void {
  const parent = addLimit(
    add({
      usage: "keys",
      summary: "list API keys",
      examples: [
        { line: "keys", what: "newest first, with what each may do" },
        { line: "keys create ci --grant map.maestro.goal.refine --lifetime 30d", what: "make one" },
        { line: "keys revoke ci", what: "end one now" },
      ],
    }),
  ).action(async (flags: ListFlags) => (await keyCommands()).keys(flags, context()));
  add(
    {
      usage: "create <principal>",
      arguments: { principal: "name of who calls with it" },
      summary: "make an API key, and print its secret",
      details:
        "The secret is printed alone on standard output, once: the server keeps only a digest. A key cannot grant what its maker " +
        "lacks. `maestro grants` lists the capabilities; one that ends in * stands for all that begin so.",
      examples: [
        { line: "keys create ci --grant 'map.maestro.*' --lifetime 90d > ci.key", what: "for everything, for 90 days" },
        { line: "keys create dash --grant map.maestro.plan.get --grant map.maestro.query.goals", what: "for looking" },
      ],
    },
    parent,
  )
    .option("--grant <capability>", "what it may do; repeatable", collect, [])
    .option("--lifetime <duration>", "how long it lives, such as 12h or 90d; for ever unless given")
    .action(async (principal: string, flags: CreateFlags) => {
      if (flags.grant.length === 0)
        throw new CommandEnd(MISUSED, "say what the key may do with --grant; `maestro grants` lists the capabilities");
      await (await keyCommands()).createKey(principal, flags, context());
    });
  add(
    {
      usage: "revoke <key>",
      summary: "end an API key now",
      details: "Streams that were opened with it end as well.",
      examples: [{ line: "keys revoke key_01j8zq5x0nf3v9w6m2t4y7k1hb", what: "by its id, or by its principal" }],
    },
    parent,
  ).action(async (key: string) => (await keyCommands()).revokeKey(key, context()));
}

function addGrants({ add, context }: Registrar): void {
  add({
    usage: "grants [key]",
    summary: "say what the caller, or a key, may do",
    details:
      "Lists every operation of the contract with the capability that it needs. A method that is made of several needs all.",
    examples: [
      { line: "grants", what: "what you may do" },
      { line: "grants ci --missing", what: "what the key of that principal may not do" },
    ],
  })
    .option("--granted", "only what may be done")
    .option("--missing", "only what may not be done")
    .action(async (key: string | undefined, flags: GrantsFlags) => {
      const { grants } = await import("../commands/grants.ts");
      await grants(key, flags, context());
    });
}
