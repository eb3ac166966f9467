// TypeIDs (typeid.io, v0.3): a prefix, `_`, and a UUID in 26 characters of Crockford's base 32. Not here: which prefixes there are.

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i;
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The UUID text (`xxxxxxxx-xxxx-…`, lower case) of a TypeID with that prefix, or undefined if it is none. */
export function uuidOf(typeid: string, prefix: string): string | undefined {
  const start = prefix.length + 1;
  if (typeid.length !== start + 26 || typeid.charCodeAt(start - 1) !== 95 || !typeid.startsWith(prefix))
    return undefined;
  let text = "";
  let bits = 0;
  let held = 0;
  for (let i = 0; i < 26; i++) {
    const value = VALUES[typeid.charCodeAt(start + i)] ?? -1;
    if (value < 0 || (i === 0 && value > 7)) return undefined;
    // The first character carries three bits: 26 × 5 = 130 bits for 128.
    held = (held << 5) | value;
    bits += i === 0 ? 3 : 5;
    if (bits >= 8) {
      bits -= 8;
      text += HEX[(held >> bits) & 255] ?? "";
      held &= (1 << bits) - 1;
      if (text.length === 8 || text.length === 13 || text.length === 18 || text.length === 23) text += "-";
    }
  }
  return text;
}

/** The TypeID of a UUID text. The text must be a UUID; anything else is a bug of the caller. */
export function typeidOf(prefix: string, uuid: string): string {
  let text = `${prefix}_`;
  let held = 0;
  let bits = 2; // two leading zero bits: 128 bits fill 26 characters of 5 with two to spare
  for (let i = 0; i < 36; i++) {
    if (i === 8 || i === 13 || i === 18 || i === 23) continue;
    const code = uuid.charCodeAt(i);
    const nibble = code < 58 ? code - 48 : code < 71 ? code - 55 : code - 87;
    held = ((held << 4) | nibble) & 0xffff;
    bits += 4;
    if (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >> bits) & 31] ?? "";
    }
  }
  return text;
}

/** A UUIDv7 (RFC 9562) of an instant and ten random bytes. */
export function uuidv7(epochMs: number, random: Uint8Array): string {
  const time = Math.floor(epochMs).toString(16).padStart(12, "0");
  const byte = (i: number): number => random[i] ?? 0;
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-` +
    `${HEX[0x70 | (byte(0) & 0x0f)] ?? ""}${HEX[byte(1)] ?? ""}-${HEX[0x80 | (byte(2) & 0x3f)] ?? ""}${HEX[byte(3)] ?? ""}-` +
    `${HEX[byte(4)] ?? ""}${HEX[byte(5)] ?? ""}${HEX[byte(6)] ?? ""}${HEX[byte(7)] ?? ""}${HEX[byte(8)] ?? ""}${HEX[byte(9)] ?? ""}`
  );
}
