// Reads refusals out of the errors that clients give. Not here: expectations.
import { fromBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { ServiceError } from "@grpc/grpc-js";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { RefusalSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import type { Refusal } from "../../gen/maestro/v1/refusal_pb.ts";

/** The refusal of a foreign client's error, out of the trailer that gRPC puts details in. */
export function refusalOf(error: unknown): Refusal {
  const [details] = (error as ServiceError).metadata.get("grpc-status-details-bin");
  const [detail] = fromBinary(StatusSchema, details as Buffer).details;
  if (detail?.typeUrl !== "type.googleapis.com/maestro.v1.Refusal")
    throw new Error(`a detail is ${detail?.typeUrl ?? "missing"}`);
  return fromBinary(RefusalSchema, detail?.value ?? new Uint8Array());
}

/** What a call was refused with, by our own clients or by the foreign one. */
export async function refused(
  promise: Promise<unknown>,
): Promise<{ readonly code: number; readonly refusal: Refusal }> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (error instanceof ConnectError) {
    const [refusal] = error.findDetails(RefusalSchema);
    if (refusal === undefined) throw new Error(`no refusal in ${error.message}`);
    return { code: error.code, refusal };
  }
  if (error === undefined) throw new Error("was not refused");
  return { code: (error as ServiceError).code, refusal: refusalOf(error) };
}
