// Who may import whom. Dependencies point inward: main → app → transport, dispatch, upkeep → engine → operations → domain,
// and the store's ports are owned by the domain side. Each row has a name and its reason.

/** Rooms below src that a room may import, besides itself; `types` are those of which it may know the types only. */
const ROOMS = [
  {
    room: "domain",
    may: [],
    why: "The rules are pure: they decide about values and know neither store, wire nor clock, so that every test of them is a plain call.",
  },
  {
    room: "support",
    may: [],
    why: "Support is small and generic and knows no noun of ours; with an import of ours it would be a room of its own.",
  },
  {
    room: "operations",
    may: ["domain", "store/ports", "support"],
    types: ["engine", "neighbours"],
    why: "An operation is load → decide → save. Which store it is, who calls it and from which surface is none of its business.",
  },
  {
    room: "engine",
    may: ["domain", "store/ports", "support"],
    types: ["operations", "neighbours"],
    why: "The eight stages are the same for every surface and every operation; what they run is handed to them.",
  },
  {
    room: "store/ports",
    may: ["domain", "support"],
    why: "The ports are the contract in our own words; an engine's words in them would tie everyone to it.",
  },
  {
    room: "store/postgres",
    may: ["domain", "store/ports", "support"],
    why: "The store saves what others decided. Rules exist once, in the domain.",
  },
  {
    room: "dispatch",
    may: ["domain", "store/ports", "support"],
    why: "Dispatch moves assignments and outcomes; wire and operations reach it through what it is given.",
  },
  {
    room: "upkeep",
    may: ["domain", "store/ports", "support"],
    types: ["dispatch", "operations"],
    why: "Background loops find work by standing queries; what they wake up is handed to them.",
  },
  {
    room: "neighbours",
    may: ["domain", "support"],
    why: "A neighbour is a port in our own words with adapters; it does not know who asks.",
  },
  {
    room: "transport",
    may: ["engine", "domain", "support"],
    types: ["operations", "dispatch"],
    why: "Transport turns wire into values and back. A handler that reached for the store would pass the engine by.",
  },
  {
    room: "executor",
    may: ["support"],
    why: "Users import the executor library; nothing of the server may come along with it.",
  },
  {
    room: "cli",
    may: ["domain", "support", "executor", "config.ts", "app.ts", "app-move.ts", "app-doctor.ts"],
    why: "The command line is a client like any other; what it does to a server goes over the wire.",
  },
  {
    room: "testing",
    may: ["support", "executor", "cli", "store/postgres", "config.ts", "app.ts"],
    why: "What users test with puts a server together and is its client; nothing of the server knows of it.",
  },
  {
    room: "console",
    may: [],
    why: "The console runs in a browser, which has the wire and nothing else.",
  },
];

const roomPath = (room) => (room.endsWith(".ts") ? `src/${room.replaceAll(".", "\\.")}$` : `src/${room}/`);
const anyOf = (rooms) => `^(${rooms.map(roomPath).join("|")})`;

const roomRules = ROOMS.flatMap(({ room, may, types = [], why }) => {
  const name = room.replace("/", "-");
  const from = { path: anyOf([room]) };
  const rules = [
    {
      name: `${name}-imports-only-its-own`,
      comment: why,
      severity: "error",
      from,
      to: { path: "^src/", pathNot: anyOf([room, ...may, ...types]) },
    },
  ];
  if (types.length > 0) {
    rules.push({
      name: `${name}-takes-types-only`,
      comment: `Of ${types.join(" and ")} only types are known here: the composition root hands the things over. ${why}`,
      severity: "error",
      from,
      to: { path: anyOf(types), dependencyTypesNot: ["type-only"] },
    });
  }
  return rules;
});

export default {
  forbidden: [
    ...roomRules,
    {
      name: "no-cycles",
      comment: "Two files that need each other are one file, or hide a third idea that both need.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "domain-packages",
      comment:
        "Of packages the domain uses only pure functions of text and values: CEL, RFC 8785 bytes, JSON Schema, and hashing out of node:crypto (the linter lets in its hash functions alone).",
      severity: "error",
      from: { path: "^src/domain/" },
      to: {
        pathNot: ["^src/", "^(node:)?crypto$", "^node_modules/(@bufbuild/cel(-spec)?|canonicalize|ajv|ajv-formats)/"],
      },
    },
    {
      name: "generated-code-at-the-edges",
      comment:
        "Generated messages are the wire's words. Inside, the domain's words are spoken, so that the wire can change without the rules.",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: ["^src/(transport|console|executor|cli|testing)/", "^src/neighbours/[^/]+/grpc\\.ts$"],
      },
      to: { path: "^gen/" },
    },
    {
      name: "drizzle-in-the-store",
      comment: "One room speaks SQL. Anywhere else a query would pass row-level security and the lock order by.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/store/postgres/" },
      to: { path: "^node_modules/drizzle-orm/" },
    },
    {
      name: "postgres-driver-in-the-store",
      comment:
        "Connections, their roles and their settings are the store's. Tests look from outside, with SQL of their own; so does the test server's hand on the database's clock.",
      severity: "error",
      from: { path: "^src/", pathNot: ["^src/store/postgres/", "^src/testing/database\\.ts$"] },
      to: { path: "^node_modules/postgres/" },
    },
    {
      name: "app-is-the-root",
      comment: "app.ts knows every concrete class; whoever imports it knows them too. Only what starts a process does.",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: ["^src/main\\.ts$", "^src/cli/(local|serve)[^/]*\\.ts$", "^src/testing/server\\.ts$"],
      },
      to: { path: "^src/app\\.ts$" },
    },
    {
      name: "settings-are-handed-in",
      comment: "The environment is read once. Rooms get what they need as arguments, and say what that is.",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: ["^src/(main|app(-move|-doctor)?|config)\\.ts$", "^src/cli/", "^src/testing/server\\.ts$"],
      },
      to: { path: "^src/config\\.ts$" },
    },
    {
      name: "product-stands-alone",
      comment: "What is shipped does not lean on tests or scripts, which are not.",
      severity: "error",
      from: { path: "^(src|gen)/" },
      to: { path: "^(test|scripts)/" },
    },
    {
      name: "runtime-packages-are-dependencies",
      comment: "Whoever installs the package gets its dependencies only, so nothing else may be needed at run time.",
      severity: "error",
      from: { path: "^(src|gen)/", pathNot: "^src/console/" },
      to: {
        dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"],
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "imports-resolve",
      comment: "An import that leads nowhere fails at start, and hides from every other rule.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "no-dead-files",
      comment:
        "A file that nothing starts from is dead: entries are main.ts, the libraries of executors and tests, worker threads, watchdogs and the console.",
      severity: "error",
      from: {
        path: [
          "^src/main\\.ts$",
          "^src/executor/executor\\.ts$",
          "^src/testing/testing\\.ts$",
          "^src/.*(worker|watchdog)\\.ts$",
          "^src/console/",
        ],
      },
      // The entries themselves, and the declared tables, which a test holds against the migrated ones.
      to: {
        path: "^src/",
        pathNot: [
          "^src/main\\.ts$",
          "^src/testing/testing\\.ts$",
          "^src/.*(worker|watchdog)\\.ts$",
          "^src/store/postgres/schema/",
        ],
        reachable: false,
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      extensions: [".ts", ".js", ".d.ts", ".json"],
    },
  },
};
