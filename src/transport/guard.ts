// Who may talk to an HTTP listener through a browser: Host against DNS rebinding, Origin and Sec-Fetch-Site against other sites,
// and no body that a form could post.
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
  /** Host or :authority; null when it names several. */
  readonly host: string | null;
  /** Empty for none, which is every caller that is not a browser. */
  readonly origin: string;
  /** Sec-Fetch-Site: where a browser's request comes from, also when it says no origin, as for images and scripts. */
  readonly site: string;
  readonly contentType: string;
}

export type Verdict =
  | { readonly kind: "pass"; readonly headers: Readonly<Record<string, string>> }
  /** An answered preflight. */
  | { readonly kind: "preflight"; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: "stop"; readonly status: 400 | 403 | 415 | 421; readonly text: string };

export type Guard = (asked: Asked) => Verdict;

/** What an HTML form can post without asking the server first. */
const FORM_TYPES = /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\s*(;|$)/i;

const OTHER_SITE = "Calls from other sites are not taken. Add the origin to MAESTRO_ALLOWED_ORIGINS.";

const ALLOWED_HEADERS = [...cors.allowedHeaders, "Authorization", "Idempotency-Key", "Traceparent"].join(", ");
// The second half is REST's, as is PATCH.
const EXPOSED_HEADERS = [...cors.exposedHeaders, "Link", "Location", "Retry-After", "WWW-Authenticate"].join(", ");
const ALLOWED_METHODS = [...cors.allowedMethods, "PATCH"].join(", ");

export function createGuard({ hosts, origins }: GuardOptions): Guard {
  const names = new Set(["localhost", ...hosts.map((host) => host.toLowerCase())]);
  const listed = new Set(origins);
  return ({ method, host, origin, site, contentType }) => {
    if (host === null || host === "") return { kind: "stop", status: 400, text: "A request names one host, once." };
    // A rebound name is a name: an address in Host can only be where the browser really went.
    const name = hostName(host);
    if (name === "" || (isIP(name) === 0 && !names.has(name)))
      return {
        kind: "stop",
        status: 421,
        text: "This server is not known under that host name. Add it to MAESTRO_ALLOWED_HOSTS.",
      };
    if (origin === "" && site === "cross-site") return { kind: "stop", status: 403, text: OTHER_SITE };
    let headers: Readonly<Record<string, string>> = {};
    if (origin !== "" && !isSame(origin, host)) {
      if (!listed.has(origin)) return { kind: "stop", status: 403, text: OTHER_SITE };
      headers = {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": EXPOSED_HEADERS,
        vary: "Origin",
      };
      if (method === "OPTIONS") {
        const preflight = {
          "access-control-allow-methods": ALLOWED_METHODS,
          "access-control-allow-headers": ALLOWED_HEADERS,
          "access-control-max-age": "7200",
        };
        return { kind: "preflight", headers: { ...headers, ...preflight } };
      }
    }
    if (method !== "GET" && method !== "HEAD" && FORM_TYPES.test(contentType))
      return {
        kind: "stop",
        status: 415,
        text: "Bodies that a form could post are not taken: send content-type: application/json.",
      };
    return { kind: "pass", headers };
  };
}

/** The host that a request names: null for several, be they alike or not; HTTP/2 may say the same in two ways. */
export function onlyHost(rawHeaders: readonly string[]): string | null {
  const hosts: string[] = [];
  let authority: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") hosts.push(rawHeaders[i + 1] ?? "");
    else if (name === ":authority") authority = rawHeaders[i + 1];
  }
  const [host] = hosts;
  if (hosts.length > 1 || (authority !== undefined && host !== undefined && authority !== host)) return null;
  return authority ?? host ?? "";
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
