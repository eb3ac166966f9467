// Starts load processes and asks them to do things. Not here: what they can do, see process.ts.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Actions } from "./process.ts";

export interface LoadProcess {
  readonly pid: number;
  ask<Name extends keyof Actions>(act: Name, ...options: Parameters<Actions[Name]>): ReturnType<Actions[Name]>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
}

export function startLoad(): LoadProcess {
  const child = fork(fileURLToPath(new URL("./process.ts", import.meta.url)), [], {
    execArgv: ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const waiting = new Map<
    number,
    { readonly resolve: (value: never) => void; readonly reject: (trouble: Error) => void }
  >();
  let next = 1;
  child.on("message", (answer: { readonly id: number; readonly value?: unknown; readonly trouble?: string }) => {
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.trouble === undefined) call?.resolve(answer.value as never);
    else call?.reject(new Error(answer.trouble));
  });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => {
      for (const call of waiting.values()) call.reject(new Error("the load process ended"));
      waiting.clear();
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    ask: ((act: string, options: unknown) =>
      new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        child.send({ id, act, options: options ?? {} });
      })) as LoadProcess["ask"],
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
