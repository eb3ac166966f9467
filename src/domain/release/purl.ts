// What a package URL says of content. Not here: the rest of it.

/** The digests in its `checksum`, as they stand there. */
export function checksumsOf(purl: string): readonly (readonly [algorithm: string, text: string])[] {
  const checksum = /[?&]checksum=([^&#]*)/.exec(purl)?.[1] ?? "";
  return checksum.split(/,|%2C/i).flatMap((one) => {
    const [algorithm, text] = one.split(/:|%3A/i);
    return algorithm === undefined || text === undefined ? [] : [[algorithm, text] as const];
  });
}
