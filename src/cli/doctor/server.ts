// Examines a server from outside: whether it answers, is ready, and lets this caller in. Not here: the machine it runs on.
import { Code, ConnectError } from "@connectrpc/connect";
import { grants as cover } from "../../domain/principal.ts";
import type { Finding } from "../../support/finding.ts";
import { fail, ok, warn } from "../../support/finding.ts";
import { connectTo } from "../client.ts";
import { OPERATIONS } from "../services.ts";
import { harmless } from "../table.ts";

export interface ServerSurroundings {
  readonly server: string;
  readonly apiKey: string | undefined;
  /** Somebody named it: that nothing answers is a fault then. */
  readonly named: boolean;
  readonly signal: AbortSignal;
}

const ANSWER_MS = 5_000;

export async function examineServer(surroundings: ServerSurroundings): Promise<readonly Finding[]> {
  const { server, named } = surroundings;
  const url = /^[a-z]+:\/\//i.test(server) ? server : `http://${server}`;
  const reach = await examineReach(url, surroundings.signal);
  if (reach.state === "fail") return named ? [reach] : [];
  return [reach, ...(await examineKey(url, surroundings))];
}

async function examineReach(url: string, signal: AbortSignal): Promise<Finding> {
  const check = "server.reach";
  try {
    const answer = await fetch(new URL("/readyz", url), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    if (answer.status === 200) return ok(check, `The server at ${url} answers and is ready.`);
    if (answer.status === 503)
      return warn(
        check,
        `The server at ${url} answers and is not ready.`,
        "It starts, drains, or has lost its database; calls are refused meanwhile.",
        "Look again in a few seconds, then at the server's log.",
      );
    return fail(
      check,
      `What answers at ${url} is no Maestro, or does not know this name (${answer.status}).`,
      "Commands and executors cannot work there.",
      "Check --server or MAESTRO_URL; a server that is called by another name needs it in MAESTRO_ALLOWED_HOSTS.",
    );
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const text = cause instanceof Error ? cause.message : "unknown";
    return fail(
      check,
      `No server answers at ${url} (${harmless(text)}).`,
      "Commands and executors cannot work there.",
      "Start one with `maestro serve`, or name another with --server or MAESTRO_URL.",
    );
  }
}

async function examineKey(url: string, { apiKey, signal }: ServerSurroundings): Promise<readonly Finding[]> {
  const client = connectTo(url, apiKey);
  try {
    const { org, principal, grants } = await client.identity.whoAmI({}, { signal, timeoutMs: ANSWER_MS });
    const may = OPERATIONS.filter(({ capability }) => cover(grants, capability)).length;
    const who = ok(
      "server.key",
      `The caller is ${harmless(`${principal} of org ${org?.name ?? ""}`)}${apiKey === undefined ? ", without a key" : ""}.`,
    );
    const share = `${may} of ${OPERATIONS.length} operations are granted: ${harmless(grants.join(", "))}.`;
    return [
      who,
      may > 0
        ? ok("server.grants", share)
        : warn(
            "server.grants",
            share,
            "This caller can do nothing.",
            "Ask for a key with more grants; `maestro grants` lists them.",
          ),
    ];
  } catch (error) {
    signal.throwIfAborted();
    const refused = error instanceof ConnectError && error.code === Code.Unauthenticated;
    if (refused)
      return [
        fail(
          "server.key",
          apiKey === undefined
            ? "The server asks for an API key, and there is none."
            : "The server does not take this API key.",
          "Every call of this caller is refused.",
          "Set MAESTRO_API_KEY to a key that is neither revoked nor expired; the first one of a server is its MAESTRO_BOOTSTRAP_KEY.",
        ),
      ];
    const text = error instanceof ConnectError ? error.rawMessage : "unknown";
    return [
      fail(
        "server.key",
        `The server does not say who calls: ${harmless(text)}.`,
        "Calls of this caller fail.",
        "Look at the server's log.",
      ),
    ];
  } finally {
    client.close();
  }
}
