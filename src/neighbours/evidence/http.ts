// Evidence at HTTP and HTTPS addresses of hosts that are listed. Nothing of ours goes along: no credentials, no cookies. Not here:
// stores that ask for a signature, see s3.ts.
import { lookup as resolveHost } from "node:dns";
import type { LookupAddress } from "node:dns";
import { request as httpRequest } from "node:http";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { BlockList, isIP } from "node:net";
import type { LookupFunction } from "node:net";
import { FetchError } from "./port.ts";
import type { EvidenceSource } from "./port.ts";

const REDIRECTS = 5;

/** Addresses that no name may lead to: this machine, and what only answers machines beside it. */
const NEVER = new BlockList();
for (const [address, prefix] of [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  // Metadata services of clouds that have them elsewhere.
  ["100.100.100.200", 32],
  ["168.63.129.16", 32],
  ["192.0.0.192", 32],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  NEVER.addSubnet(address, prefix, "ipv4");
for (const [address, prefix] of [
  ["::", 127],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
  // The same of IPv4, behind a translator.
  ["64:ff9b::7f00:0", 104],
  ["64:ff9b::a9fe:0", 112],
  // Metadata services of clouds that have one there.
  ["fd00:ec2::", 32],
] as const)
  NEVER.addSubnet(address, prefix, "ipv6");

/** Names resolved; a test has names of its own. */
export type Resolve = (host: string, done: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void;
const systemResolve: Resolve = (host, done) => resolveHost(host, { all: true }, done);

/** `hosts` are `host` or `host:port`; without a port it is the scheme's own. */
export function web(hosts: readonly string[], resolve: Resolve = systemResolve): EvidenceSource {
  const listed = new Set(hosts.map((host) => host.toLowerCase()));
  return {
    takes: (uri) => listed.size > 0 && /^https?:/i.test(uri),
    fetch: async function* (_, uri, signal) {
      let url = allowed(uri, listed);
      for (let redirects = 0; ; redirects++) {
        const response = await get(url, {}, signal, resolve);
        const { statusCode = 0, headers } = response;
        if (![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined) {
          yield* bodyOf(response, signal);
          return;
        }
        response.destroy();
        if (redirects >= REDIRECTS) throw new FetchError("UNREACHABLE", "it is redirected without end");
        const next = allowed(headers.location, listed, url);
        if (url.protocol === "https:" && next.protocol === "http:")
          throw new FetchError("NOT_ALLOWED", "it is redirected from HTTPS to HTTP");
        url = next;
      }
    },
  };
}

function allowed(text: string, listed: ReadonlySet<string>, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new FetchError("NOT_ALLOWED", "its address is none of HTTP");
  if (url.username !== "" || url.password !== "")
    throw new FetchError("NOT_ALLOWED", "its address holds credentials, which are not sent");
  // The port of the scheme is left out in both, or in neither.
  if (!listed.has(url.host) && !listed.has(`${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`))
    throw new FetchError("NOT_ALLOWED", `host ${url.host} is not among those that evidence is fetched from`);
  return url;
}

/** The address that was looked at is the one that is dialled: a name that leads elsewhere a moment later leads nowhere. */
function guarded(resolve: Resolve): LookupFunction {
  return (host, { all }, done) => {
    resolve(host, (error, addresses) => {
      if (error !== null) {
        done(error, "", 4);
        return;
      }
      const good = addresses.filter((one) => host === "localhost" || !isForbidden(one));
      const [first] = good;
      if (first === undefined)
        done(new FetchError("NOT_ALLOWED", "its host is at an address that nothing is fetched from"), "", 4);
      else if (all === true) done(null, [...good]);
      else done(null, first.address, first.family);
    });
  };
}

function isForbidden({ address, family }: LookupAddress): boolean {
  // An IPv4 address in the clothes of an IPv6 one is checked as what it is by the list itself.
  return NEVER.check(address, family === 6 ? "ipv6" : "ipv4");
}

/** `resolve` is null for a host that was configured as the place itself: wherever its name leads, it is meant. */
export function get(
  url: URL,
  headers: OutgoingHttpHeaders,
  signal: AbortSignal,
  resolve: Resolve | null,
): Promise<IncomingMessage> {
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  // An address that is listed itself is meant.
  const literal = isIP(url.hostname.replace(/^\[|\]$/g, "")) !== 0;
  return new Promise((done, fail) => {
    const sent = request(
      url,
      {
        method: "GET",
        headers: { accept: "*/*", "accept-encoding": "identity", "user-agent": "maestro", ...headers },
        agent: false,
        signal,
        ...(literal || resolve === null ? {} : { lookup: guarded(resolve) }),
      },
      done,
    );
    sent.on("error", (error) => fail(signal.aborted ? (signal.reason as Error) : asFetchError(error)));
    sent.end();
  });
}

export async function* bodyOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    const { statusCode = 0, headers } = response;
    if (statusCode === 404 || statusCode === 410) throw new FetchError("NOT_FOUND", `its host answers ${statusCode}`);
    if (statusCode !== 200) throw new FetchError("UNREACHABLE", `its host answers ${statusCode}`);
    const encoding = headers["content-encoding"] ?? "identity";
    if (encoding !== "identity")
      throw new FetchError("UNREADABLE", "its host sends it encoded, which was not asked for");
    for await (const piece of response) yield piece as Uint8Array;
    // Called off, content whose end is that of its connection ends like one that is complete.
    signal.throwIfAborted();
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof FetchError ? error : new FetchError("UNREACHABLE", "its host broke off");
  } finally {
    response.destroy();
  }
}

/** What others say is not repeated: it may tell of machines that are none of the reader's business. */
function asFetchError(error: Error): FetchError {
  return error instanceof FetchError ? error : new FetchError("UNREACHABLE", "its host cannot be reached");
}
