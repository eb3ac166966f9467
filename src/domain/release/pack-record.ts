// A plan's records in an exported pack: a line each, from which its leaf can be worked out, whether its body is shown or withheld. And the
// judgement of such lines. Not here: leaves, see ../record.ts; sealing.
import { commitmentOf, leafOfCommitments } from "../record.ts";
import type { StoredRecord } from "../record.ts";

/** Shown with its salt, or withheld, or redacted for good: then only its commitment is left. */
export type Disclosed = { readonly salt: string; readonly text: string } | { readonly commitment: string };

export interface PackRecord {
  readonly seq: number;
  /** `rec_…`. */
  readonly record_id: string;
  /** In hexadecimal, as all digests here. */
  readonly leaf: string;
  readonly header: Disclosed;
  readonly body: Disclosed;
  /** Null when the record has no payload. */
  readonly payload_commitment: string | null;
}

export function packRecord(record: StoredRecord, recordIdText: string, isWithheld: boolean): PackRecord {
  const { seq, leaf, header, headerSalt, body, bodySalt, payloadCommitment } = record;
  return {
    seq,
    record_id: recordIdText,
    leaf,
    header: { salt: headerSalt, text: header },
    body: isWithheld ? { commitment: commitmentOf(bodySalt, body) } : { salt: bodySalt, text: body },
    payload_commitment: payloadCommitment,
  };
}

/** Whether bodies of a kind are withheld; in patterns `*` stands for any characters. */
export function withholding(patterns: readonly string[]): (kind: string) => boolean {
  const known = new Map<string, boolean>();
  return (kind) => {
    const found = known.get(kind) ?? patterns.some((pattern) => fits(kind, pattern));
    known.set(kind, found);
    return found;
  };
}

/** Part by part, each as early as it can be: no pattern takes longer than its length times the text's. */
function fits(text: string, pattern: string): boolean {
  const [first = "", ...parts] = pattern.split("*");
  const last = parts.pop();
  if (last === undefined) return text === pattern;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** What came out of all lines of a plan. */
export interface RecordTrail {
  readonly count: number;
  /** Of the headers that are shown; empty until there is one. */
  readonly org: string;
  readonly stream: string;
  readonly withheldBodies: number;
  readonly withheldHeaders: number;
}

export interface RecordCheck {
  /** What is wrong with the next line, for people; null when nothing is. */
  take(line: unknown, idOf: (recordId: string) => string | undefined): string | null;
  trail(): RecordTrail;
}

const DIGEST = /^[0-9a-f]{64}$/;
const SALT = /^[0-9a-f]{32}$/;

/** Judges the lines of one plan, in their order. */
export function recordCheck(): RecordCheck {
  let count = 0;
  let org = "";
  let stream = "";
  let withheldBodies = 0;
  let withheldHeaders = 0;
  return {
    take: (line, idOf) => {
      count += 1;
      const at = `record ${String(count)}`;
      if (!isPackRecord(line)) return `${at} is not one`;
      if (line.seq !== count) return `${at} is missing: ${String(line.seq)} stands in its place`;
      const id = idOf(line.record_id);
      if (id === undefined) return `${at} has no id`;
      const leaf = leafOfCommitments(committed(line.header), committed(line.body), line.payload_commitment);
      if (leaf !== line.leaf) return `${at} does not have the leaf that its commitments come to`;
      if ("commitment" in line.body) withheldBodies += 1;
      if ("commitment" in line.header) {
        withheldHeaders += 1;
        return null;
      }
      const header = parsed(line.header.text);
      if (header === undefined || header["v"] !== 1) return `the header of ${at} cannot be read`;
      if (header["seq"] !== count || header["id"] !== id) return `the header of ${at} is of another record`;
      if (count - withheldHeaders === 1) {
        org = String(header["org"]);
        stream = String(header["stream"]);
      }
      return header["org"] === org && header["stream"] === stream ? null : `${at} is of another plan`;
    },
    trail: () => ({ count, org, stream, withheldBodies, withheldHeaders }),
  };
}

function committed(part: Disclosed): string {
  return "commitment" in part ? part.commitment : commitmentOf(part.salt, part.text);
}

function isPackRecord(line: unknown): line is PackRecord {
  if (!isObject(line)) return false;
  const { seq, record_id: id, leaf, header, body, payload_commitment: payload } = line;
  return (
    typeof seq === "number" &&
    typeof id === "string" &&
    isDigest(leaf) &&
    isDisclosed(header) &&
    isDisclosed(body) &&
    // In a leaf, zeros stand for no payload.
    (payload === null || (isDigest(payload) && !/^0*$/.test(payload))) &&
    Object.keys(line).length === 6
  );
}

/** A salt has its length: with another one, bytes of it could pass for the text's. */
function isDisclosed(part: unknown): part is Disclosed {
  if (!isObject(part)) return false;
  const { commitment, salt, text } = part;
  if (commitment !== undefined) return isDigest(commitment) && Object.keys(part).length === 1;
  return typeof salt === "string" && SALT.test(salt) && typeof text === "string" && Object.keys(part).length === 2;
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && DIGEST.test(value);
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
