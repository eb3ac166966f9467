// The server settings of the embedded engine and why they are so. Not here: planner settings of single statements.
import { EngineError } from "./engine-error.ts";

// For a machine shared with Maestro: small memory, few checkpoints, statistics that follow hot tables quickly.
const defaults: Readonly<Record<string, string>> = {
  // An acknowledged commit is on disk. These three are what the engine is for.
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  max_connections: "60",
  shared_buffers: "256MB",
  max_wal_size: "4GB",
  checkpoint_timeout: "15min",
  // The default of 4 makes plans scan a million rows where an index would do (measured: 87 ms against 10 ms).
  random_page_cost: "1.1",
  jit: "off",
  // Parallel plans put their memory in /dev/shm, which containers limit to 64 MB: a query would fail there. The cores are Maestro's too.
  max_parallel_workers_per_gather: "0",
  // The gain is small at this size, and a container with a huge page limit kills the server instead of refusing.
  huge_pages: "off",
  // A row changes state several times within seconds: look often, start early, do not dawdle.
  autovacuum_naptime: "10s",
  autovacuum_vacuum_scale_factor: "0.02",
  autovacuum_analyze_scale_factor: "0.02",
  autovacuum_vacuum_insert_scale_factor: "0.05",
  autovacuum_vacuum_cost_limit: "1000",
  timezone: "UTC",
  log_timezone: "UTC",
  // Statements and row values are people's data and stay out of the log file.
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
  log_checkpoints: "off",
};

/** What the engine itself decides; changing any of it would break starting, watching or stopping. */
interface Structure {
  readonly port: number;
  readonly clusterName: string;
}

/** The command-line arguments for the settings: ours, overridden by `overrides`, overridden by what the engine must decide itself. */
export function settingArguments(
  overrides: Readonly<Record<string, string>>,
  { port, clusterName }: Structure,
): readonly string[] {
  const structure: Readonly<Record<string, string>> = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    cluster_name: clusterName,
    update_process_title: "on",
    // The watchdog reads the server's output: readiness and trouble are found by these words.
    lc_messages: "C",
    log_destination: "stderr",
    logging_collector: "off",
    log_line_prefix: "%m [%p] ",
  };
  for (const name of Object.keys(overrides)) {
    if (name in structure || !/^[a-z_][a-z0-9_.]*$/.test(name) || /^(data_directory|.*_file)$/.test(name)) {
      throw new EngineError(
        "bad-setting",
        `The embedded Postgres does not take the setting "${name}".`,
        "Leave it out.",
      );
    }
  }
  return Object.entries({ ...defaults, ...overrides, ...structure }).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
}
