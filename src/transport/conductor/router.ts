// Which endpoint an address is: the paths of the table, with or without a slash at their end. Not here: what endpoints answer.
import { ENDPOINTS } from "./endpoints.ts";
import type { Endpoint, Verb } from "./endpoints.ts";

export interface Found {
  /** What can be done at this address, by verb. */
  readonly endpoints: ReadonlyMap<Verb, Endpoint>;
  /** The id in the path; undefined for an address without one. */
  readonly id: string | undefined;
  /** Verbs for an Allow header. */
  readonly allow: string;
}

interface Place {
  readonly endpoints: Map<Verb, Endpoint>;
  allow: string;
}

const OURS = /^\/(?:maestro\/|openapi\.json(?:$|\?)|docs(?:$|[/?]))/;
const places = new Map<string, Place>();

for (const endpoint of ENDPOINTS) {
  const place = places.get(endpoint.path) ?? { endpoints: new Map<Verb, Endpoint>(), allow: "" };
  place.endpoints.set(endpoint.verb, endpoint);
  places.set(endpoint.path, place);
}
for (const place of places.values()) {
  const verbs = [...place.endpoints.keys()];
  place.allow = [...verbs, ...(verbs.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
}

/** Whether an address is one of REST's, be there something or not. */
export function isConductorPath(url: string): boolean {
  return OURS.test(url);
}

/** The address without its query; undefined when there is nothing at it. */
export function find(path: string): Found | undefined {
  const trimmed = path.endsWith("/") ? path.slice(0, -1) : path;
  const parts = trimmed.split("/", 6);
  const id = parts[3];
  if (id === undefined) return found(trimmed, undefined);
  if (id === "") return undefined;
  parts[3] = "{id}";
  return found(parts.join("/"), decoded(id));
}

function found(pattern: string, id: string | undefined): Found | undefined {
  const place = places.get(pattern);
  return place === undefined ? undefined : { endpoints: place.endpoints, id, allow: place.allow };
}

/** An id that is spelt wrongly is an id that nobody has. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
