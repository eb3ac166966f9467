// Brings the .proto files that ours import, and those of the standard services we serve, out of installed packages into
// a folder that is never committed. They are inputs of buf only.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printFileDescriptor } from "./print-descriptor.ts";

/** Path by which a file is imported, and its path inside an installed package. */
const COPIED: readonly (readonly [path: string, source: string])[] = [
  ["google/rpc/error_details.proto", "google-proto-files/google/rpc/error_details.proto"],
  ["google/rpc/status.proto", "google-proto-files/google/rpc/status.proto"],
  ["grpc/health/v1/health.proto", "grpc-health-check/proto/health/v1/health.proto"],
  ["grpc/reflection/v1/reflection.proto", "@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto"],
  ["grpc/reflection/v1alpha/reflection.proto", "@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto"],
];

/**
 * Makes `target` hold exactly these files. A folder that is right already is not touched: somebody may be reading it.
 * The rules of buf/validate come from the descriptor inside the run-time library, so that what buf reads and what judges
 * messages cannot differ in version.
 */
export function writeThirdPartyProtos(packages: string, target: string): void {
  const files = new Map(COPIED.map(([path, source]) => [path, readFileSync(join(packages, source), "utf8")]));
  files.set("buf/validate/validate.proto", printFileDescriptor(file_buf_validate_validate.proto));
  if (holdsExactly(target, files)) return;
  rmSync(target, { recursive: true, force: true });
  for (const [path, text] of files) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), text);
  }
}

function holdsExactly(target: string, files: ReadonlyMap<string, string>): boolean {
  if (!existsSync(target)) return false;
  const present = readdirSync(target, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  if (present.length !== files.size) return false;
  return [...files].every(([path, text]) => {
    const file = join(target, path);
    return existsSync(file) && readFileSync(file, "utf8") === text;
  });
}
