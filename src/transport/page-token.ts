// Page tokens: opaque, and bound by a digest to the call's filter and order. Not here: what a sort key holds, which is the store's.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** The sort key of the last entry of a page. */
export type SortKey = readonly (string | number | null)[];

/** Writes and reads page tokens. The key makes a token that was tampered with unreadable; servers of one installation share it. */
export interface PageTokens {
  /** `scope` is whatever the page depends on: method, org, filter, order. */
  write(scope: readonly unknown[], after: SortKey | null): string;
  /** Undefined when the token is not one of ours, or belongs to another scope. */
  read(scope: readonly unknown[], token: string): SortKey | undefined;
}

const MAC_BYTES = 16;

export function createPageTokens(secret: string): PageTokens {
  const key = createHash("sha256").update("maestro.page-token.v1").update(secret).digest();
  const seal = (scope: readonly unknown[], body: Buffer): Buffer =>
    createHmac("sha256", key).update(JSON.stringify(scope)).update("\0").update(body).digest().subarray(0, MAC_BYTES);
  return {
    write(scope, after) {
      if (after === null) return "";
      const body = Buffer.from(JSON.stringify(after), "utf8");
      return Buffer.concat([seal(scope, body), body]).toString("base64url");
    },
    read(scope, token) {
      const bytes = Buffer.from(token, "base64url");
      if (bytes.length <= MAC_BYTES || bytes.toString("base64url") !== token) return undefined;
      const body = bytes.subarray(MAC_BYTES);
      return timingSafeEqual(bytes.subarray(0, MAC_BYTES), seal(scope, body))
        ? (JSON.parse(body.toString("utf8")) as SortKey)
        : undefined;
    },
  };
}
