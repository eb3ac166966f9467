// An API key as the header that a call carries it in. Not here: what keys there are, and what they open.

/**
 * What stands in the `authorization` header; white space around the key is what files and shells put there. Throws a TypeError that
 * does not repeat the key: whoever builds headers quotes what it cannot send, and the quotation ends up in a log.
 */
export function bearerOf(apiKey: string): string {
  const key = apiKey.trim();
  if (!/^[\x21-\x7e]*$/.test(key))
    throw new TypeError(
      "the API key holds what no key holds, such as a line break in its midst: give one key, and nothing else",
    );
  return `Bearer ${key}`;
}
