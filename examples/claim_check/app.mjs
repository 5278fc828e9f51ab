// Takes uploads of any size.
import { createHash } from "node:crypto";
import { checked } from "./claim.mjs";

export async function upload(event) {
  const digest = createHash("sha256");
  let size = 0;
  for await (const piece of checked(event)) {
    digest.update(piece);
    size += piece.length;
  }
  const key = event.claimCheck?.key ?? null;
  return { statusCode: 201, body: JSON.stringify({ size, sha256: digest.digest("hex"), key }) };
}
