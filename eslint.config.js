// What the compiler cannot say: type-aware rules, and where clock, chance, environment and console may be reached from.
// Not here: formatting (prettier) and who imports whom (.dependency-cruiser.js).
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const clock = "Time comes from the Clock port; only src/support/clock.ts reads the system's.";
const chance = "Randomness comes from the Random port; only src/support/random.ts draws it.";
const environment = "Settings are handed in; only src/config.ts reads the environment.";
const pure = "The domain is pure: no waiting, no I/O, no timers.";

const timeAndChanceGlobals = [
  { name: "Date", message: clock },
  { name: "performance", message: clock },
  { name: "crypto", message: chance },
];
const timeAndChanceProperties = [
  { object: "Math", property: "random", message: chance },
  { object: "process", property: "hrtime", message: clock },
];
const environmentProperties = [{ object: "process", property: "env", message: environment }];

/** Names of node:crypto that draw random numbers. */
const drawing = [
  "randomBytes",
  "randomFill",
  "randomFillSync",
  "randomInt",
  "randomUUID",
  "webcrypto",
  "getRandomValues",
];
const timeAndChanceImports = [
  ...["node:crypto", "crypto"].map((name) => ({ name, importNames: drawing, message: chance })),
  ...["node:perf_hooks", "perf_hooks"].map((name) => ({ name, importNames: ["performance"], message: clock })),
];
const environmentImports = [{ name: "node:process", importNames: ["env"], message: environment }];

const shape = [
  { selector: "ExportDefaultDeclaration", message: "Exports have names, so that one thing has one name everywhere." },
  { selector: "ExportAllDeclaration", message: "No barrels: import from the file that holds the thing." },
];
// Inside a transaction now() is the time before the locks were waited for; maestro.clock() is read once, after them.
const databaseTime = /\b(now\s*\(\s*\)|(current|local)_?time(stamp)?\b|(transaction|statement)_timestamp\s*\()/i.source;
const oneClock = ["Literal[value=", "TemplateElement[value.raw="].map((selector) => ({
  selector: `${selector}/${databaseTime}/i]`,
  message: "Time in a transaction is one reading of maestro.clock(), after the locks.",
}));
const synchronous = [
  { selector: ":function[async=true]", message: pure },
  { selector: "AwaitExpression", message: pure },
  { selector: "ForOfStatement[await=true]", message: pure },
  { selector: "NewExpression[callee.name='Promise']", message: pure },
];

export default defineConfig(
  globalIgnores(["gen/", "dist/", "build/", "demo-out/", "coverage/", "**/.venv/"]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/consistent-type-exports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/return-await": ["error", "error-handling-correctness-only"],
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // An adapter answers with a promise because its port does, whether or not it has to wait.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      eqeqeq: "error",
      "prefer-const": "error",
      "no-console": "error",
      "no-warning-comments": ["error", { terms: ["todo", "fixme", "xxx"] }],
      "no-restricted-syntax": ["error", ...shape],
    },
  },
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-restricted-syntax": ["error", ...shape, ...oneClock],
      "no-restricted-globals": ["error", { globals: timeAndChanceGlobals, checkGlobalObject: true }],
      "no-restricted-properties": ["error", ...timeAndChanceProperties, ...environmentProperties],
      "no-restricted-imports": ["error", { paths: [...timeAndChanceImports, ...environmentImports] }],
    },
  },
  {
    files: ["src/domain/**/*.ts"],
    rules: {
      "no-restricted-syntax": ["error", ...shape, ...oneClock, ...synchronous],
      "no-restricted-globals": [
        "error",
        {
          globals: [
            ...timeAndChanceGlobals,
            ...["process", "fetch", "setTimeout", "setInterval", "setImmediate", "queueMicrotask"].map((name) => ({
              name,
              message: pure,
            })),
          ],
          checkGlobalObject: true,
        },
      ],
      "no-restricted-imports": [
        "error",
        { paths: [{ name: "node:crypto", allowImportNames: ["createHash", "hash"], message: pure }] },
      ],
    },
  },
  {
    // The two ports themselves.
    files: ["src/support/clock.ts", "src/support/random.ts"],
    rules: { "no-restricted-globals": "off", "no-restricted-properties": "off", "no-restricted-imports": "off" },
  },
  {
    // Who reads the environment, and who hands it on to a child process.
    files: [
      "src/config.ts",
      "src/main.ts",
      "src/executor/shell*.ts",
      "src/executor/shell/**/*.ts",
      "src/store/postgres/engines/embedded-*.ts",
    ],
    rules: {
      "no-restricted-properties": ["error", ...timeAndChanceProperties],
      "no-restricted-imports": ["error", { paths: timeAndChanceImports }],
    },
  },
  {
    files: ["src/cli/**/*.ts", "src/main.ts", "scripts/**/*.ts", "test/**/*.ts"],
    rules: { "no-console": "off" },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // A test may look at what the types rule out; that is often its point.
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/unbound-method": "off",
    },
  },
  {
    // Tools ask for a default export in their settings.
    files: ["*.config.ts"],
    rules: { "no-restricted-syntax": "off" },
  },
);
