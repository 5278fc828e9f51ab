// The body of an event, wherever it is; what Node brings only. Copy it beside your handler.
import { Readable } from "node:stream";
import * as zlib from "node:zlib";

// A stream: what the event has, or the object in S3 that lambdaproxy made of a large body.
export async function body(event) {
  const claim = event.claimCheck; // no client can put this there
  if (!claim) return Readable.from([Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8")]);
  const response = await fetch(claim.url);
  if (!response.ok) throw new Error(`S3 answered ${response.status}`); // the URL stays out of the log
  return Readable.fromWeb(response.body);
}

// The pieces of the body; an error after the last one if they are not what the client sent.
export async function* checked(event) {
  const claim = event.claimCheck;
  let crc = 0;
  let length = 0;
  for await (const piece of await body(event)) {
    if (zlib.crc32) crc = zlib.crc32(piece, crc); // Node 22.2 and later
    length += piece.length;
    yield piece;
  }
  if (!claim) return;
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc);
  if (length !== claim.size || (zlib.crc32 && sum.toString("base64") !== claim.checksum.value))
    throw new Error("the body is not what was sent");
}

// Headers of a response whose body is an object: lambdaproxy sends it, with ranges.
export const reference = (bucket, key) => ({
  "X-Lambdaproxy-Body": `s3://${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`,
});
