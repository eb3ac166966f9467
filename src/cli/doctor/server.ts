// Examines a server from outside: whether it answers, is ready, and lets this caller in. Not here: the machine it runs on.
import { grants as cover } from "../../domain/principal.ts";
import { bearerOf } from "../../executor/bearer.ts";
import type { Finding } from "../../support/finding.ts";
import { fail, ok, warn } from "../../support/finding.ts";
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
  // One that is not ready refuses every call, whoever calls.
  return reach.state === "ok" ? [reach, ...(await examineKey(url, surroundings))] : [reach];
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

interface Answer {
  readonly org?: { readonly name?: string };
  readonly principal?: string;
  readonly grants?: readonly string[];
  /** Of a refusal. */
  readonly code?: string;
  readonly message?: string;
}

/** Asked in JSON over whatever HTTP there is: what stands between may not let HTTP/2 pass. */
async function whoAmI(url: string, { apiKey, signal }: ServerSurroundings): Promise<Answer> {
  const answer = await fetch(new URL("/maestro.v1.IdentityService/WhoAmI", url), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(apiKey !== undefined && { authorization: bearerOf(apiKey) }),
    },
    body: "{}",
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
  });
  return (await answer.json()) as Answer;
}

async function examineKey(url: string, surroundings: ServerSurroundings): Promise<readonly Finding[]> {
  const { apiKey, signal } = surroundings;
  const check = "server.key";
  const {
    org,
    principal = "",
    grants = [],
    code,
    message = "",
  } = await whoAmI(url, surroundings).catch((error: unknown): Answer => {
    signal.throwIfAborted();
    return { code: "unknown", message: error instanceof Error ? error.message : "" };
  });
  if (code === "unauthenticated")
    return [
      fail(
        check,
        apiKey === undefined
          ? "The server asks for an API key, and there is none."
          : "The server does not take this API key.",
        "Every call of this caller is refused.",
        "Set MAESTRO_API_KEY to a key that is neither revoked nor expired; the first one of a server is its MAESTRO_BOOTSTRAP_KEY.",
      ),
    ];
  if (code === "permission_denied")
    return [
      ok(check, "The server takes this API key."),
      warn(
        "server.grants",
        "What this key may do cannot be told: it may not ask who it is.",
        "It may do what it was made for all the same.",
        "Have map.maestro.identity.who granted; `maestro grants <key>` with another key lists what this one may do.",
      ),
    ];
  if (code !== undefined)
    return [
      fail(
        check,
        `The server does not say who calls: ${harmless(message.replace(/\.$/, ""))}.`,
        "Calls of this caller fail.",
        "Look at the server's log.",
      ),
    ];
  const may = OPERATIONS.filter(({ capability }) => cover(grants, capability)).length;
  const who = harmless(`${principal} of org ${org?.name ?? ""}`);
  const share = `${may} of ${OPERATIONS.length} operations are granted: ${harmless(grants.join(", "))}.`;
  return [
    ok(check, `The caller is ${who}${apiKey === undefined ? ", without a key" : ""}.`),
    may > 1
      ? ok("server.grants", share)
      : warn("server.grants", share, "This caller can do next to nothing.", "Ask for a key with more grants."),
  ];
}
