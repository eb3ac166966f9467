// The command line of the contract's chores: `generate`, `check` and `release`. What they do is in proto/contract.ts.
import { fileURLToPath } from "node:url";
import { check, generate, release } from "./proto/contract.ts";
import type { Checkout } from "./proto/contract.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const checkout: Checkout = { root, packages: fileURLToPath(new URL("../node_modules", import.meta.url)) };

switch (process.argv[2]) {
  case "generate":
    generate(checkout);
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
