// What a command gets to see of its host's environment. Not here: reading it; the executor's own is handed in.

/** Name of the variable that says to whom a process belongs, outermost executor first. See process-tree.ts. */
export const MARK = "MAESTRO_MARK";
/** Name of the variable that holds the path of the file for structured outputs. */
export const OUTPUTS = "MAESTRO_OUTPUTS";
/** Name of the variable that holds the path of the file that names artifacts. */
export const ARTIFACTS = "MAESTRO_ARTIFACTS";

/**
 * Names that pass. A list of what may, never of what may not: the executor's own environment holds its API key, perhaps a
 * DATABASE_URL, and whatever else its operator put there.
 */
const PASSED = new Set([
  ...["PATH", "HOME", "LANG", "LANGUAGE", "TMPDIR", "TZ", "USER", "LOGNAME", "SHELL"],
  // Without these, programs on Windows do not start or do not find their folders.
  ...["SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERNAME", "USERPROFILE"],
  ...["APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "HOMEDRIVE", "HOMEPATH"],
]);

type Variables = Readonly<Record<string, string | undefined>>;

/** The environment of a command: the little that passes from `host`, then what the step gives, then what Maestro sets. */
export function commandEnvironment(host: Variables, given: Variables, set: Variables): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(host)) {
    const known = process.platform === "win32" ? name.toUpperCase() : name;
    if (value !== undefined && (PASSED.has(known) || known.startsWith("LC_"))) environment[name] = value;
  }
  for (const [name, value] of [...Object.entries(given), ...Object.entries(set)]) {
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}
