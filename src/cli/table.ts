// Tables and single lines for terminals of any width. Text that others wrote is made harmless first.

/** Without control characters, which could move the cursor or pretend to be our own words. */
export function harmless(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => (character === "\t" ? "  " : "�"));
}

export function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** Columns as wide as their contents; the last one is cut where the line would be wider than `columns`. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], columns: number): string {
  const clean = [head, ...rows].map((row) => row.map(harmless));
  const widths = head.map((_, i) => Math.max(...clean.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]): string =>
    clip(
      row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  "),
      columns,
    ).trimEnd();
  return clean.map(line).join("\n");
}

/** Names and values below each other; those without a value are left out. */
export function facts(pairs: readonly (readonly [name: string, value: string])[]): string {
  const shown = pairs.filter(([, value]) => value !== "");
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${harmless(value)}`).join("\n");
}
