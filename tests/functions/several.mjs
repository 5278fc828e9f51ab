// What a function does of which several requests run at once: everything that may go wrong between them.
import fs from "node:fs";
import { threadId } from "node:worker_threads";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const mine = { running: 0, most: 0 };

export async function handler(event, context) {
  const { InvokeStore } = globalThis.awslambda;
  mine.most = Math.max(mine.most, ++mine.running);
  console.log("begins", event.n);
  fs.appendFileSync(event.runs ?? "/dev/null", "+");
  try {
    if (event.exit !== undefined) process.exit(event.exit);
    if (event.uncaught) setTimeout(() => { throw new Error("in no handler"); }, 1);  // prettier-ignore
    if (event.rejects) void Promise.reject(new Error("nobody waits"));
    if (event.fails) throw new RangeError(`failed ${event.n}`);
    for (const until = Date.now() + (event.blocks ?? 0); Date.now() < until; );
    if (event.never || event.uncaught || event.rejects) await new Promise(() => {});
    if (event.raw) process.stdout.write(`written ${event.n}\n`);
    if (event.raw) fs.writeSync(1, `natively ${event.n}\n`);
    await sleep(event.ms ?? 1);
    const ids = [context.awsRequestId, InvokeStore.getRequestId(), InvokeStore.getXRayTraceId() === context.xRayTraceId];
    return { n: event.n, ids, thread: threadId, pid: process.pid, most: mine.most };
  } finally {
    mine.running--;
    console.log("ends", event.n);
  }
}

export function environment() {
  const { AWS_LAMBDA_MAX_CONCURRENCY, AWS_LAMBDA_INITIALIZATION_TYPE, _X_AMZN_TRACE_ID } = process.env;
  return [AWS_LAMBDA_MAX_CONCURRENCY, AWS_LAMBDA_INITIALIZATION_TYPE, _X_AMZN_TRACE_ID ?? null, process.cwd()];
}

export const streams = awslambda.streamifyResponse(async (event, stream, context) => {
  for (let at = 0; at < 3; at++) {
    stream.write(`${event.n}:${at} `);
    await sleep(5);
  }
  console.log("streams", context.awsRequestId);
  if (event.fails) throw new RangeError("in the middle");
  if (event.never) await new Promise(() => {});
  stream.end();
});

export const callback = (event, context, done) => done(null, 1);
