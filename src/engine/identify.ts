// Stage 2: who calls. API keys by their digest, cached and dropped when they end; the local caller on loopback. Not here: what they may do.
import { hash } from "node:crypto";
import type { KeyId } from "../domain/id.ts";
import type { ApiKey, Principal } from "../domain/principal.ts";
import { refused } from "../domain/refusal.ts";
import type { Decision, Refusal } from "../domain/refusal.ts";
import type { PlatformStore } from "../store/ports/platform.ts";
import type { Clock } from "../support/clock.ts";
import type { Caller } from "./call.ts";

export interface IdentifyOptions {
  readonly platform: Pick<PlatformStore, "findKey">;
  readonly clock: Clock;
  /** Who calls without a credential from this machine; null when everybody needs one. */
  readonly local: Principal | null;
}

export interface Identify {
  identify(caller: Caller): Promise<Decision<Principal>>;
  /** For as long as a stream is open: says when the key ends that its caller came with. */
  hold(principal: Principal): Held;
  /** Ends a key that was revoked here. */
  end(keyId: KeyId): void;
  /** Ends these keys, which other servers revoked, and those that expired by now; returns all that ended. */
  refresh(revoked: readonly KeyId[]): readonly KeyId[];
}

export interface Held {
  /** Fires when the key was revoked or has expired. */
  readonly ended: AbortSignal;
  /** The stream is over. */
  release(): void;
}

/** What a stream whose key has ended is told. */
export const KEY_ENDED: Refusal = unauthenticated("The API key was revoked or has expired.", "key.ended").refusal;

/** Most credentials that are remembered, known and unknown ones together. */
const REMEMBERED = 10_000;
/** An unknown key is looked up again after this: it may guess only so often at the store's cost. */
const UNKNOWN_MS = 5_000;

interface Remembered {
  readonly key: ApiKey | null;
  readonly principal: Principal | null;
  readonly untilMs: number;
}

export function createIdentify({ platform, clock, local }: IdentifyOptions): Identify {
  const remembered = new Map<string, Remembered>();
  const held = new Map<KeyId, Set<{ readonly untilMs: number; readonly control: AbortController }>>();

  function remember(digest: string, key: ApiKey | undefined): Remembered {
    const [oldest] = remembered.keys();
    if (remembered.size >= REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    const entry: Remembered =
      key === undefined
        ? { key: null, principal: null, untilMs: clock.nowMs() + UNKNOWN_MS }
        : {
            key,
            principal: {
              orgId: key.orgId,
              name: key.principal,
              grants: key.grants,
              keyId: key.keyId,
              untilMs: key.expiresMs,
            },
            untilMs: key.revokedMs ?? key.expiresMs ?? Number.POSITIVE_INFINITY,
          };
    remembered.set(digest, entry);
    return entry;
  }

  async function byKey(secret: string): Promise<Decision<Principal>> {
    const name = hash("sha256", secret, "base64");
    let entry = remembered.get(name);
    if (entry === undefined || (entry.key === null && entry.untilMs <= clock.nowMs())) {
      entry = remember(name, await platform.findKey(Buffer.from(name, "base64")));
    }
    if (entry.principal === null) return unauthenticated("The API key is unknown.", "key.unknown");
    if ((entry.key?.revokedMs ?? null) !== null) return unauthenticated("The API key was revoked.", "key.revoked");
    if (entry.untilMs <= clock.nowMs()) return unauthenticated("The API key has expired.", "key.expired");
    return { ok: true, value: entry.principal };
  }

  function end(keyId: KeyId): void {
    for (const [digest, entry] of remembered) if (entry.key?.keyId === keyId) remembered.delete(digest);
    for (const { control } of held.get(keyId) ?? []) control.abort();
  }

  /** A key may be forgotten long before the streams that came with it end. */
  function expiredHolds(nowMs: number): readonly KeyId[] {
    return [...held].flatMap(([keyId, entries]) => ([...entries].some((e) => e.untilMs <= nowMs) ? [keyId] : []));
  }

  return {
    async identify(caller) {
      if (caller.authorization !== "") {
        const secret = /^Bearer +(\S+) *$/i.exec(caller.authorization)?.[1];
        if (secret === undefined)
          return unauthenticated("The Authorization header is not `Bearer <key>`.", "authorization.shape");
        return byKey(secret);
      }
      if (local !== null && !caller.forwarded && isLoopback(caller.address)) return { ok: true, value: local };
      return unauthenticated("A credential is needed.", "credential.missing");
    },
    hold({ keyId, untilMs }) {
      const control = new AbortController();
      if (keyId === null) return { ended: control.signal, release: () => undefined };
      const entry = { untilMs: untilMs ?? Number.POSITIVE_INFINITY, control };
      const entries = held.get(keyId) ?? new Set();
      held.set(keyId, entries.add(entry));
      return {
        ended: control.signal,
        release: () => {
          entries.delete(entry);
          if (entries.size === 0 && held.get(keyId) === entries) held.delete(keyId);
        },
      };
    },
    end,
    refresh(revoked) {
      const nowMs = clock.nowMs();
      const expired = new Set(expiredHolds(nowMs));
      for (const [digest, { key, untilMs }] of remembered) {
        if (untilMs > nowMs) continue;
        if (key !== null) expired.add(key.keyId);
        remembered.delete(digest);
      }
      const ended = [...new Set([...revoked, ...expired])];
      ended.forEach(end);
      return ended;
    },
  };
}

/** Whether an address is this machine's own. */
export function isLoopback(address: string): boolean {
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  return plain === "::1" || plain.startsWith("127.");
}

function unauthenticated(explanation: string, rule: string): { readonly ok: false; readonly refusal: Refusal } {
  return refused("UNAUTHENTICATED", explanation, { rule, remedy: "Send `Authorization: Bearer <API key>`." });
}
