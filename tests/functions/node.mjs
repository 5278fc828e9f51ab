// Handlers that tests invoke in Node worker processes.

export const handler = async () => ({ statusCode: 200, headers: { "content-type": "text/plain" }, body: "hello" });

export const echo = async (event) => event;

export const about = async (event, context) => ({
  id: context.awsRequestId,
  arn: context.invokedFunctionArn,
  name: context.functionName,
  memory: context.memoryLimitInMB,
  left: context.getRemainingTimeInMillis(),
  client: context.clientContext ?? null,
  trace: process.env._X_AMZN_TRACE_ID,
  cwd: process.cwd(),
  execution: process.env.AWS_EXECUTION_ENV,
});

export const sets_the_clock = async (event, context) => {
  const now = Date.now;
  Date.now = () => now() + 3_600_000;
  const left = context.getRemainingTimeInMillis();
  Date.now = now;
  return left;
};

export const calls_back = (event, context, callback) => {
  setTimeout(() => callback(null, "called back"), 5);
};

export const waits = (event, context, callback) => {
  callback(null, "waited");
  setTimeout(() => console.log("late work"), 30);
};

export const does_not_wait = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 60000);
  callback(null, "at once");
};

export const never = () => {};

export const succeeds = (event, context) => context.succeed({ old: true });

export const answers_by_both = async (event, context, callback) => {
  callback(null, "by callback");
};

export const succeeds_async = async (event, context) => {
  context.succeed("by context");
};

export const done_at_once = (event, context) => {
  setTimeout(() => {}, 60000);
  context.done(null, "done");
};

export const fails_with_nothing = async (event, context) => context.fail();

export const throws_nothing = () => {
  throw null;
};

export const rejects_with_nothing = async () => {
  throw undefined;
};

export const returns_sync = () => "at once";

export const returns_a_function = async () => () => 1;

export const never_settles = () => new Promise(() => {});

export const loses_its_stack = async () => {
  const error = new Error("no stack");
  delete error.stack;
  Object.defineProperty(error, "stack", { value: undefined });
  throw error;
};

export const fails = (event, context) => context.fail(new Error("old style"));

export const calls_back_error = (event, context, callback) => callback(new RangeError("by callback"));

export const raises = async () => {
  throw new TypeError("this is ünicode");
};

export const raises_sync = () => {
  throw new RangeError("at once");
};

export const raises_text = async () => {
  throw "just text";
};

export const leaves = async () => process.exit(4);

export const rejects_aside = () =>
  new Promise(() => {
    Promise.reject(new Error("nobody listens"));
  });

export const throws_aside = () =>
  new Promise(() => {
    setTimeout(() => {
      throw new Error("thrown aside");
    }, 1);
  });

export const returns_undefined = async () => undefined;

export const circular = async () => {
  const it = {};
  it.it = it;
  return it;
};

export const prints = async () => {
  console.log("one\ntwo");
  console.error("three");
  process.stdout.write("four\n");
  return "printed";
};

export const levels = async () => {
  for (const level of ["trace", "debug", "info", "log", "warn", "error", "fatal"]) console[level](`by ${level}`);
  console.error("with", new RangeError("inner"));
};

export const sleeps = (event) => new Promise((resolve) => setTimeout(() => resolve("slept"), event.seconds * 1000));

export const spins = () => {
  for (;;);
};

export const large = async (event) => "x".repeat(event.size - 2);

const { streamifyResponse, HttpResponseStream } = awslambda;

export const streams = streamifyResponse(async (event, stream) => {
  stream.setContentType("text/plain");
  for (let n = 0; n < (event.count ?? 3); n++) {
    stream.write(`piece ${n}\n`);
    await new Promise((resolve) => setTimeout(resolve, event.pause ?? 1));
  }
  stream.end();
});

export const streams_http = streamifyResponse(async (event, stream) => {
  const http = HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-from": "stream" }, cookies: ["a=1"] });
  http.write("body ");
  http.end("end");
});

export const streams_much = streamifyResponse(async (event, stream) => {
  const piece = Buffer.alloc(64 * 1024, "x");
  for (let sent = 0; sent < event.size; sent += piece.length) {
    if (!stream.write(piece)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
});

export const stream_fails = streamifyResponse(async (event, stream) => {
  stream.write("some");
  await new Promise((resolve) => setTimeout(resolve, 10));
  throw new RangeError("in the middle");
});

export const stream_fails_first = streamifyResponse(async () => {
  throw new RangeError("before the first byte");
});

export const stream_not_ended = streamifyResponse(async (event, stream) => {
  stream.write("some");
});

export const stream_dies = streamifyResponse(async (event, stream) => {
  stream.write("some");
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.kill(process.pid, "SIGKILL");
});

export const stream_sleeps = streamifyResponse(async (event, stream) => {
  stream.write("some");
  await new Promise((resolve) => setTimeout(resolve, 60000));
});

export const stream_stubborn = streamifyResponse(async (event, stream) => {
  process.on("SIGTERM", () => {});
  stream.write("some");
  await new Promise((resolve) => setTimeout(resolve, 60000));
});

export const stream_json = streamifyResponse(async (event, stream) => {
  stream.write({ a: 1 });
  stream.end();
});

export const stream_nothing = streamifyResponse(async (event, stream) => {
  stream.write(null);
});

export const stream_end_only = streamifyResponse(async (event, stream) => {
  HttpResponseStream.from(stream, { statusCode: 201 }).end("no head");
});

export const stream_sync = streamifyResponse(() => {});

export const stream_type_late = streamifyResponse(async (event, stream) => {
  stream.write("some");
  stream.setContentType("text/plain");
});

export const stream_after_end = streamifyResponse(async (event, stream) => {
  stream.on("error", () => {});
  stream.write("some");
  stream.end();
  await new Promise((resolve) => setTimeout(resolve, 50));
  stream.write("late");
  await new Promise((resolve) => setTimeout(resolve, 50));
});

export const stream_after_end_at_once = streamifyResponse(async (event, stream) => {
  stream.write("some");
  stream.end();
  stream.write("late");
});

export const stream_destroyed = streamifyResponse(async (event, stream) => {
  stream.write("some");
  stream.destroy(new Error("gone"));
});

export const floods = async () => {
  for (let number = 0; number < 100_000; number++) console.log("line", number);
  throw new RangeError("what went wrong");
};

export const logsLong = async () => {
  // Longer than a pipe holds: what the first write does not take is written by the next.
  for (const letter of "abc") console.log(letter.repeat(200_000));
};
