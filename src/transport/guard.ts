// Who may talk to an HTTP listener through a browser: Host against DNS rebinding, Origin against other sites, and no body that a form could post.
// Not here: who the caller is, see engine/identify.ts.
import { isIP } from "node:net";
import { cors } from "@connectrpc/connect";

export interface GuardOptions {
  /** Names besides localhost and addresses under which this server is reached. */
  readonly hosts: readonly string[];
  /** Origins of other sites that may call; none unless listed. */
  readonly origins: readonly string[];
}

export interface Asked {
  readonly method: string;
  /** Host or :authority. */
  readonly host: string;
  /** Empty for none, which is every caller that is not a browser. */
  readonly origin: string;
  readonly contentType: string;
}

export type Verdict =
  | { readonly kind: "pass"; readonly headers: Readonly<Record<string, string>> }
  /** An answered preflight. */
  | { readonly kind: "preflight"; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: "stop"; readonly status: 403 | 415 | 421; readonly text: string };

export type Guard = (asked: Asked) => Verdict;

/** What an HTML form can post without asking the server first. */
const FORM_TYPES = /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\s*(;|$)/i;

const ALLOWED_HEADERS = [...cors.allowedHeaders, "Authorization", "Idempotency-Key", "Traceparent"].join(", ");
const EXPOSED_HEADERS = [...cors.exposedHeaders].join(", ");

export function createGuard({ hosts, origins }: GuardOptions): Guard {
  const names = new Set(["localhost", ...hosts.map((host) => host.toLowerCase())]);
  const listed = new Set(origins);
  return ({ method, host, origin, contentType }) => {
    // A rebound name is a name: an address in Host can only be where the browser really went.
    const name = hostName(host);
    if (name === "" || (isIP(name) === 0 && !names.has(name)))
      return {
        kind: "stop",
        status: 421,
        text: "This server is not known under that host name. Add it to MAESTRO_ALLOWED_HOSTS.",
      };
    let headers: Readonly<Record<string, string>> = {};
    if (origin !== "" && !isSame(origin, host)) {
      if (!listed.has(origin))
        return {
          kind: "stop",
          status: 403,
          text: "Calls from other sites are not taken. Add the origin to MAESTRO_ALLOWED_ORIGINS.",
        };
      headers = {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": EXPOSED_HEADERS,
        vary: "Origin",
      };
      if (method === "OPTIONS") {
        const preflight = {
          "access-control-allow-methods": cors.allowedMethods.join(", "),
          "access-control-allow-headers": ALLOWED_HEADERS,
          "access-control-max-age": "7200",
        };
        return { kind: "preflight", headers: { ...headers, ...preflight } };
      }
    }
    if (method !== "GET" && method !== "HEAD" && FORM_TYPES.test(contentType))
      return { kind: "stop", status: 415, text: "Bodies that a form could post are not taken." };
    return { kind: "pass", headers };
  };
}

/** Host without its port, in lower case; empty when it is none. */
export function hostName(host: string): string {
  const bracketed = /^\[([0-9a-f:.]+)\](:\d+)?$/i.exec(host);
  if (bracketed !== null) return (bracketed[1] ?? "").toLowerCase();
  const plain = /^([^:/@\s]+)(:\d+)?$/.exec(host);
  return (plain?.[1] ?? "").toLowerCase();
}

/** An origin is this server's own when scheme aside it names the host that was asked. */
function isSame(origin: string, host: string): boolean {
  const match = /^https?:\/\/(.+)$/i.exec(origin);
  return match !== null && (match[1] ?? "").toLowerCase() === host.toLowerCase();
}
