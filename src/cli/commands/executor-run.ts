// `maestro executor run`: the shell executor as a process. Not here: how it performs commands, see src/executor.
import { setTimeout as wait } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { parseAddress } from "../../executor/wire.ts";
import type { Address } from "../../executor/wire.ts";
import type { ExecutorEvent } from "../../executor/executor.ts";
import { shellExecutor } from "../../executor/shell-executor.ts";
import type { Context } from "../context.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import { refusalOf } from "../refusal.ts";

export interface ExecutorFlags {
  readonly name: string;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Names or ids; empty for the credential's own, on this machine only. */
  readonly orgs: readonly string[];
  readonly capabilities: readonly string[];
}

/** Runs until it is told to end: the first SIGTERM or SIGINT drains, the second ends what runs. */
export async function runExecutor(flags: ExecutorFlags, context: Context): Promise<void> {
  const { io, json, quiet, server, apiKey } = context;
  // Read by now. No child gets it, whatever passes one day; what the system keeps of how this process began stays readable.
  delete io.env["MAESTRO_API_KEY"];
  if (flags.orgs.length === 0 && !addressOf(server).loopback) {
    throw new CommandEnd(
      MISUSED,
      "name the orgs whose commands may run here with --org; without it only a server on this machine is trusted",
    );
  }
  const say = (event: ExecutorEvent): void => {
    const line = json ? eventJson(event) : quiet ? undefined : eventText(event);
    if (line !== undefined) io.out(`${line}\n`);
  };
  const executor = shellExecutor({
    url: server,
    name: flags.name,
    slots: flags.slots,
    labels: flags.labels,
    capabilities: flags.capabilities,
    orgs: [await ownOrg(flags.orgs, context)],
    drainOn: ["SIGTERM", "SIGINT"],
    observe: say,
    ...(apiKey !== undefined && { apiKey }),
  });
  await executor.start();
  await executor.closed;
}

function addressOf(server: string): Address {
  try {
    return parseAddress(server);
  } catch (error) {
    throw new CommandEnd(MISUSED, error instanceof Error ? error.message : String(error));
  }
}

/** Id of the credential's org, when it is among those named; a server that is away is waited for. */
async function ownOrg(named: readonly string[], { withClient, io, server, notice }: Context): Promise<string> {
  const org = await withClient(async (client) => {
    for (let told = false; ;) {
      try {
        return (await client.identity.whoAmI({}, { signal: io.signal })).org;
      } catch (error) {
        const away =
          error instanceof ConnectError && error.code === Code.Unavailable && refusalOf(error)?.retryable !== false;
        if (!away || io.signal.aborted) throw error;
        if (!told) notice(`waiting for ${server}`);
        told = true;
        await wait(500, undefined, { signal: io.signal });
      }
    }
  });
  if (org === undefined) throw new Error("the server does not say whose the credential is");
  if (named.length > 0 && !named.includes(org.name) && !named.includes(org.orgId)) {
    throw new CommandEnd(MISUSED, `the API key belongs to org ${org.name} (${org.orgId}), which --org does not name`);
  }
  return org.orgId;
}

function eventJson(event: ExecutorEvent): string {
  return JSON.stringify(event, (_key, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
}

function eventText(event: ExecutorEvent): string | undefined {
  switch (event.kind) {
    case "attached":
      return `attached as ${event.executorId}${event.resumed > 0 ? `, ${event.resumed} leases carry on` : ""}`;
    case "detached":
      return `detached: ${event.reason}; trying again in ${Math.round(event.retryInMs)} ms`;
    case "started":
      return `▶ ${event.planId} ${event.key} (fencing ${event.fencing})`;
    case "stopping":
    case "lost":
      return `■ ${event.planId} ${event.key}: ${event.reason ?? ""}`;
    case "finished":
      return `${event.result === "success" ? "✓" : "✗"} ${event.planId} ${event.key} ${event.result}${event.message === "" ? "" : `: ${event.message}`}`;
    case "outcome refused":
      return `! ${event.planId} ${event.key}: the outcome was refused: ${event.reason}`;
    case "draining":
      return `draining: ${event.reason}`;
    case "closed":
      return "closed";
  }
}
