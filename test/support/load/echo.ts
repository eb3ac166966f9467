// The barest call there is, as many at once as the unary mix has: what a unary call costs client, server and wire by itself.
// Not here: calls that do something, see unary.ts.
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { NativeClient } from "./client.ts";

/** Health checks for a while; how many a second, and how long each took in ms. The first fifth is warming up. */
export async function echo(
  client: NativeClient,
  options: { readonly inFlight: number; readonly seconds: number },
): Promise<{ readonly perS: number; readonly latencies: readonly number[] }> {
  const beganMs = performance.now();
  const countedMs = beganMs + 200 * options.seconds;
  const endMs = beganMs + 1_000 * options.seconds;
  const latencies: number[] = [];
  const worker = async (): Promise<void> => {
    for (let calledMs = performance.now(); calledMs < endMs;) {
      await client.call(Health.method.check, {});
      const answeredMs = performance.now();
      if (calledMs >= countedMs) latencies.push(answeredMs - calledMs);
      calledMs = answeredMs;
    }
  };
  await Promise.all(Array.from({ length: options.inFlight }, worker));
  return { perS: (latencies.length * 1_000) / (performance.now() - countedMs), latencies };
}
