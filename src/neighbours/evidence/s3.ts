// Evidence in a store that speaks S3: `s3://bucket/key`, asked for with a signature, path style. Not here: HTTP itself.
import { AwsV4Signer } from "aws4fetch";
import { bodyOf, get } from "./http.ts";
import { FetchError } from "./port.ts";
import type { EvidenceSource } from "./port.ts";

export interface S3Options {
  /** Such as `https://s3.example.org`. It is configured, so wherever it is, it is meant. */
  readonly url: string;
  readonly keyId: string;
  readonly secret: string;
  readonly region: string;
  /** Those that evidence may be in; all that the key reaches when there are none. They are the same for all orgs. */
  readonly buckets?: readonly string[];
}

export function s3Store({ url, keyId, secret, region, buckets = [] }: S3Options): EvidenceSource {
  return {
    takes: (uri) => /^s3:/i.test(uri),
    fetch: async function* (_, uri, signal) {
      const target = targetOf(url, uri, buckets);
      const signer = new AwsV4Signer({
        method: "GET",
        url: target,
        accessKeyId: keyId,
        secretAccessKey: secret,
        service: "s3",
        region,
      });
      const signed = await signer.sign();
      const headers = Object.fromEntries([...signed.headers].filter(([name]) => name !== "host"));
      yield* bodyOf(await get(signed.url, headers, signal, null), signal);
    },
  };
}

function targetOf(base: string, uri: string, buckets: readonly string[]): string {
  const parts = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/([^?#]+)$/i.exec(uri);
  const [, bucket, key] = parts ?? [];
  // A key with such a part would be another key once it is in a path.
  if (bucket === undefined || key === undefined || key.split("/").some((part) => part === "." || part === ".."))
    throw new FetchError("NOT_ALLOWED", "its address is not s3://bucket/key");
  if (buckets.length > 0 && !buckets.includes(bucket))
    throw new FetchError("NOT_ALLOWED", `bucket ${bucket} is not among those that evidence is fetched from`);
  return `${base.replace(/\/$/, "")}/${bucket}/${key.split("/").map(encoded).join("/")}`;
}

/** As the signature has it. */
function encoded(part: string): string {
  return encodeURIComponent(part).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}
