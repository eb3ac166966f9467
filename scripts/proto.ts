// The command line of the contract's chores, and of what is written from sources: `generate`, `check` and `release`. What they do is in proto/contract.ts.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GUIDE, written } from "./docs/guide.ts";
import { check, generate, release } from "./proto/contract.ts";
import type { Checkout } from "./proto/contract.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const checkout: Checkout = { root, packages: fileURLToPath(new URL("../node_modules", import.meta.url)) };

switch (process.argv[2]) {
  case "generate":
    generate(checkout);
    writeFileSync(join(root, GUIDE), written(root, readFileSync(join(root, GUIDE), "utf8")));
    break;
  case "release":
    release(checkout);
    break;
  case "check":
    report();
    break;
  default:
    console.error("usage: proto.ts generate | check | release");
    process.exitCode = 2;
}

function report(): void {
  const findings = check(checkout);
  for (const { check: name, passed, detail } of findings) {
    console.log(`proto ${name}: ${passed ? "ok" : "FAILED"}`);
    if (!passed) console.log(detail);
  }
  if (!findings.every(({ passed }) => passed)) process.exitCode = 1;
}
