// Lists: one array of everything up to ten thousand entries, put together of the rpc's pages; beyond that a Link header leads on.
// Not here: pages themselves, see handlers/kit.ts.
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { RefusedError } from "../../domain/refusal.ts";
import type { Decision } from "../../domain/refusal.ts";
import { JSON_HEADERS } from "./codes.ts";
import type { Reply } from "./codes.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Query } from "./query.ts";
import { writerOf } from "./write.ts";

/** The rpc's longest page. */
const PAGE = 1_000;
/** What is kept of an answer before it is sent: ten thousand entries of usual size. Beyond it the pages are read a second time. */
const KEPT_BYTES = 8 * 1024 * 1024;

export type AskPage = (request: Message) => Promise<Decision<Message>>;

/** The whole answer, or its first part and where the others come from. */
export type ListReply =
  | { readonly kind: "whole"; readonly reply: Reply }
  | {
      readonly kind: "parts";
      readonly headers: Readonly<Record<string, string>>;
      readonly parts: AsyncIterable<string>;
    };

export async function listReply(
  endpoint: Endpoint,
  query: Query,
  path: string,
  ask: AskPage,
): Promise<Decision<ListReply>> {
  const pages = pagesOf(endpoint, query, ask);
  const kept: string[] = [];
  let bytes = 0;
  let left = query.limit;
  let token = query.pageToken;
  /** Where the part that is not kept begins. */
  let rest: { readonly token: string; readonly left: number } | undefined;
  let most = PAGE;
  while (left > 0) {
    const size = Math.min(most, left);
    const page = await pages(token, size, rest === undefined);
    if (!page.ok) return page;
    const { texts, count, next } = page.value;
    most = sizeAfter(size, count);
    if (rest === undefined && texts !== "") {
      kept.push(texts);
      bytes += texts.length;
    }
    left -= count;
    token = next;
    if (token === "") break;
    // Whether there is more than is given must be known before the first byte goes out; what that takes to read is not kept.
    if (rest === undefined && bytes > KEPT_BYTES && left > 0) rest = { token, left };
  }
  const headers: Record<string, string> =
    token === "" ? {} : { link: `<${nextAddress(path, query, token)}>; rel="next"` };
  if (rest === undefined) {
    const reply = { status: 200, headers: { ...JSON_HEADERS, ...headers }, body: `[${kept.join(",")}]` };
    return { ok: true, value: { kind: "whole", reply } };
  }
  const parts = partsOf(kept, rest, token, pages);
  return { ok: true, value: { kind: "parts", headers: { ...JSON_HEADERS, ...headers }, parts } };
}

async function* partsOf(
  kept: string[],
  rest: { readonly token: string; readonly left: number },
  end: string,
  pages: Pages,
): AsyncGenerator<string> {
  yield `[${kept.splice(0).join(",")}`;
  let { token, left } = rest;
  let most = PAGE;
  while (left > 0 && token !== "" && token !== end) {
    const size = Math.min(most, left);
    const page = await pages(token, size, true);
    most = sizeAfter(size, page.ok ? page.value.count : 0);
    if (!page.ok) throw new RefusedError(page.refusal);
    if (page.value.texts !== "") yield `,${page.value.texts}`;
    left -= page.value.count;
    token = page.value.next;
  }
  yield "]";
}

/** Of large entries fewer came than were asked for: the next page asks for as many, and for more again once they all come. */
function sizeAfter(size: number, count: number): number {
  return count < size ? Math.max(1, count) : Math.min(PAGE, 2 * size);
}

interface Page {
  /** Its entries, separated; empty when they are not asked for. */
  readonly texts: string;
  readonly count: number;
  readonly next: string;
}
type Pages = (token: string, size: number, withTexts: boolean) => Promise<Decision<Page>>;

function pagesOf({ method, answer }: Endpoint, { message }: Query, ask: AskPage): Pages {
  const field = method.output.fields.find(({ name }) => name === answer);
  if (field?.fieldKind !== "list" || field.listKind !== "message") throw new Error(`${method.name} lists nothing`);
  const { localName } = field;
  const write = writerOf(field.message satisfies DescMessage);
  return async (pageToken, pageSize, withTexts) => {
    const request = { ...message, pageSize, pageToken } as Message;
    const decision = await ask(request);
    if (!decision.ok) return decision;
    const response = decision.value as unknown as Readonly<Record<string, unknown>>;
    const entries = response[localName] as readonly Readonly<Record<string, unknown>>[];
    const texts = withTexts ? entries.map((entry) => JSON.stringify(write(entry))).join(",") : "";
    return { ok: true, value: { texts, count: entries.length, next: response["nextPageToken"] as string } };
  };
}

/** Relative to what was asked: behind a proxy nobody here knows its name. */
function nextAddress(path: string, { given, limit }: Query, token: string): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (name !== "page_token") parameters.set(name, String(value));
  parameters.set("limit", String(limit));
  parameters.set("page_token", token);
  return `${path}?${parameters.toString()}`;
}
