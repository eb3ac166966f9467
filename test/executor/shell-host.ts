// An executor of its own process for tests: runs one command, prints its lines, and waits to be killed.
import { runCommand } from "../../src/executor/shell/command.ts";
import { systemClock } from "../../src/support/clock.ts";

const run = process.argv[2] ?? "";
const onLog = ({ text }: { readonly text: string }): void => console.log(text);
const { exitCode } = await runCommand({ run }, { onLog, signal: new AbortController().signal, clock: systemClock });
console.log(`ended ${exitCode}`);
