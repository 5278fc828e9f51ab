// The Node runtime: runs in the worker process, takes events from the Runtime API and gives them to the handler.
//
// Run as `node bootstrap.mjs [LAYER...]`, without dependencies. What a handler sees (context, callbacks, console records,
// error documents, `awslambda.streamifyResponse`) is as Lambda's own Node runtime has it.

import fs from "node:fs";
import net from "node:net";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Writable } from "node:stream";
import { types, format } from "node:util";

const INHERITED = 3;
const monotonicNow = performance.now.bind(performance);
const BASE = "/2018-06-01/runtime/";
const PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response";
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");

// --- the Runtime API: one kept connection, which this process was born with, written by hand, as in the Python bootstrap ---

class Api {
  constructor(address) {
    this.host = `Host: ${address}\r\n`;
    this.getNext = `GET ${BASE}invocation/next HTTP/1.1\r\n${this.host}\r\n`;
    this.buffer = Buffer.alloc(0);
    this.waiting = [];
    this.parsed = null;
    this.socket = new net.Socket({ fd: INHERITED, readable: true, writable: true });
    this.socket.on("data", (data) => this.received(data));
    this.socket.on("error", () => process.exit(0));
    // Nobody is left to answer.
    this.socket.on("end", () => process.exit(0));
  }

  received(data) {
    this.buffer = this.buffer.length ? Buffer.concat([this.buffer, data]) : data;
    while (this.waiting.length) {
      if (this.parsed === null) {
        const end = this.buffer.indexOf("\r\n\r\n");
        if (end < 0) return;
        const lines = this.buffer.toString("latin1", 0, end).split("\r\n");
        const headers = Object.create(null);
        for (let i = 1; i < lines.length; i++) {
          const colon = lines[i].indexOf(":");
          headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
        }
        this.parsed = { status: Number(lines[0].slice(9, 12)), headers, start: end + 4 };
        this.parsed.stop = end + 4 + Number(headers["content-length"] ?? 0);
      }
      if (this.buffer.length < this.parsed.stop) {
        // Large events arrive in many pieces: they are put together once.
        if (this.parsed.stop - this.buffer.length > 131072) this.gather();
        return;
      }
      const { status, headers, start, stop } = this.parsed;
      const body = this.buffer.subarray(start, stop);
      this.buffer = this.buffer.subarray(stop);
      this.parsed = null;
      this.waiting.shift()({ status, headers, body });
    }
  }

  gather() {
    const whole = Buffer.allocUnsafe(this.parsed.stop);
    let have = this.buffer.copy(whole);
    this.socket.removeAllListeners("data");
    this.socket.on("data", (data) => {
      const used = data.copy(whole, have);
      have += used;
      if (have === whole.length) {
        this.buffer = used === data.length ? whole : Buffer.concat([whole, data.subarray(used)]);
        this.socket.removeAllListeners("data");
        this.socket.on("data", (more) => this.received(more));
        this.received(Buffer.alloc(0));
      }
    });
  }

  message() {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  head(what, contentType, extra, length) {
    const framing = length === null ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`;
    return `POST ${BASE}${what} HTTP/1.1\r\n${this.host}Content-Type: ${contentType}\r\n${extra}${framing}\r\n\r\n`;
  }

  next() {
    this.socket.write(this.getNext);
    return this.message();
  }

  // Post an answer and ask for the next event in one write.
  async answer(what, text, extra = "") {
    const body = Buffer.from(text);
    const head = this.head(what, "application/json", extra, body.length);
    this.socket.cork();
    this.socket.write(head, "latin1");
    this.socket.write(body);
    this.socket.write(this.getNext);
    this.socket.uncork();
    const accepted = this.message();
    const next = this.message();
    const { status, body: said } = await accepted;
    if (status !== 202) console.error(`the runtime did not take the answer: ${status} ${said}`);
    return next;
  }

  post(what, text, extra = "") {
    const body = Buffer.from(text);
    this.socket.write(this.head(what, "application/json", extra, body.length), "latin1");
    this.socket.write(body);
    return this.message();
  }
}

// --- console records ---

let currentId = "undefined";
const jsonLogs = (process.env.AWS_LAMBDA_LOG_FORMAT ?? "").toUpperCase() === "JSON";

function writeRecord(level, args) {
  const time = new Date().toISOString();
  if (jsonLogs) {
    const record = { timestamp: time, level, requestId: currentId };
    const error = args.find((one) => types.isNativeError(one));
    record.message = args.length === 1 && !error && typeof args[0] === "object" ? args[0] : format(...args);
    if (error) {
      record.errorType = error.name;
      record.errorMessage = error.message;
      record.stackTrace = (error.stack ?? "").split("\n");
    }
    let text;
    try {
      text = JSON.stringify(record);
    } catch {
      text = JSON.stringify({ ...record, message: format(...args) });
    }
    fs.writeSync(1, text + "\n");
    return;
  }
  fs.writeSync(1, `${time}\t${currentId}\t${level}\t${format(...args)}`.replace(/\n/g, "\r") + "\n");
}

function patchConsole() {
  const levels = { trace: "TRACE", debug: "DEBUG", info: "INFO", log: "INFO", warn: "WARN", error: "ERROR" };
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...args) => {
      try {
        writeRecord(level, args);
      } catch (problem) {
        if (problem.code !== "EAGAIN") throw problem;
        process.stdout.write(`${format(...args)}\n`);
      }
    };
  }
}

// --- errors ---

class RuntimeFault extends Error {
  constructor(type, message, trace) {
    super(message);
    this.name = type;
    if (trace) this.stack = trace;
  }
}

function errorDocument(error) {
  try {
    if (types.isNativeError(error) || (error?.name && error.message && error.stack)) {
      return {
        errorType: error.name,
        errorMessage: error.message,
        trace: (error.stack ?? "").split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, " +
        "name, and stack",
    };
  }
}

function logError(title, error) {
  const document = errorDocument(error);
  let extra = {};
  if (types.isNativeError(error)) extra = { ...error };
  try {
    writeRecord("ERROR", [`${title}\t` + JSON.stringify({ ...document, ...extra, stack: document.trace })]);
  } catch {
    writeRecord("ERROR", [`${title}\t` + JSON.stringify(document)]);
  }
}

const typeHeader = (type) =>
  `Lambda-Runtime-Function-Error-Type: ${String(type).slice(0, 128).replace(/[^\x21-\x7e]/g, "?") || "Error"}\r\n`;

// --- the handler ---

function isModule(file) {
  if (file.endsWith(".mjs")) return true;
  if (file.endsWith(".cjs")) return false;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).type === "module";
    } catch (problem) {
      if (problem.code !== "ENOENT") return false;
    }
    if (folder === path.dirname(folder) || path.basename(folder) === "node_modules") return false;
  }
}

async function findHandler(root, text) {
  if (text.includes("..")) {
    throw new RuntimeFault(
      "Runtime.MalformedHandlerName",
      `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const base = path.basename(text);
  const folder = text.slice(0, text.length - base.length);
  const found = /^([^.]*)\.(.*)$/.exec(base);
  if (!found) throw new RuntimeFault("Runtime.MalformedHandlerName", "Bad handler");
  const [, file, names] = found;
  const module = await load(path.resolve(root, folder, file), path.join(folder, file), root);
  let handler = module;
  for (const name of names.split(".")) handler = handler?.[name];
  if (!handler && module.default && typeof module.default === "object") {
    handler = module.default;
    for (const name of names.split(".")) handler = handler?.[name];
  }
  if (!handler) throw new RuntimeFault("Runtime.HandlerNotFound", `${text} is undefined or not exported`);
  if (typeof handler !== "function") {
    throw new RuntimeFault("Runtime.HandlerNotFound", `${text} is not a function`);
  }
  return handler;
}

async function load(stem, name, root) {
  const require = createRequire(path.join(root, "_"));
  try {
    for (const suffix of ["", ".js", ".mjs", ".cjs"]) {
      const file = stem + suffix;
      if (fs.statSync(file, { throwIfNoEntry: false })?.isFile()) {
        return isModule(file) ? await import(pathToFileURL(file).href) : require(file);
      }
    }
    return require(require.resolve(name, { paths: [root, ...(process.env.NODE_PATH ?? "").split(":")] }));
  } catch (problem) {
    if (problem instanceof SyntaxError) {
      throw new RuntimeFault("Runtime.UserCodeSyntaxError", problem.toString(), problem.stack);
    }
    if (problem?.code === "MODULE_NOT_FOUND" || problem?.code === "ERR_MODULE_NOT_FOUND") {
      throw new RuntimeFault("Runtime.ImportModuleError", problem.toString(), problem.stack);
    }
    throw problem;
  }
}

// --- streaming ---

class ResponseStream extends Writable {
  // Nothing is sent before the first write, so that a failure before it is a plain error.
  constructor(api, id, highWaterMark) {
    super({ highWaterMark: highWaterMark ?? 64 * 1024, decodeStrings: true });
    this.api = api;
    this.id = id;
    this.contentType = "application/octet-stream";
    this.begun = false;
    this.ended = false;
    this.pending = 0;
    this.accepted = null;
    this.failure = null;
    this._onBeforeFirstWrite = null;
  }

  setContentType(type) {
    if (this.begun) throw new Error("the content type cannot be set after the first write");
    this.contentType = type;
  }

  begin() {
    if (this.begun) return;
    this.begun = true;
    const extra =
      "Lambda-Runtime-Function-Response-Mode: streaming\r\n" +
      "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n";
    const type = String(this.contentType).replace(/[^\x20-\x7e]/g, "");
    this.api.socket.write(this.api.head(`invocation/${this.id}/response`, type, extra, null), "latin1");
    this.accepted = this.api.message();
    if (this._onBeforeFirstWrite) this._onBeforeFirstWrite((data) => this.chunk(Buffer.from(data), () => {}));
  }

  chunk(data, done) {
    if (!data.length) {
      done();
      return;
    }
    const { socket } = this.api;
    // Bytes on their way keep the event loop busy; a handler that only forgot to end its stream does not.
    this.pending++;
    socket.ref();
    socket.cork();
    socket.write(`${data.length.toString(16)}\r\n`, "latin1");
    socket.write(data);
    const room = socket.write("\r\n", "latin1", () => {
      if (--this.pending === 0 && !this.ended) socket.unref();
    });
    socket.uncork();
    if (room) done();
    else socket.once("drain", done);
  }

  _write(data, encoding, done) {
    this.begin();
    this.chunk(data, done);
  }

  _writev(pieces, done) {
    this.begin();
    this.chunk(Buffer.concat(pieces.map((piece) => piece.chunk)), done);
  }

  _final(done) {
    this.begin();
    this.finishBody();
    done();
  }

  finishBody() {
    let trailers = "";
    if (this.failure) {
      const document = errorDocument(this.failure);
      const body = Buffer.from(JSON.stringify(document)).toString("base64");
      trailers = typeHeader(document.errorType) + `Lambda-Runtime-Function-Error-Body: ${body}\r\n`;
    }
    this.api.socket.write(`0\r\n${trailers}\r\n`, "latin1");
  }
}

globalThis.awslambda = {
  ...globalThis.awslambda,
  streamifyResponse(handler, options) {
    handler[STREAMING] = "response";
    if (typeof options?.highWaterMark === "number") handler[HIGH_WATER_MARK] = options.highWaterMark;
    return handler;
  },
  HttpResponseStream: {
    from(stream, metadata) {
      stream.setContentType(PRELUDE_TYPE);
      const prelude = JSON.stringify(metadata);
      stream._onBeforeFirstWrite = (write) => {
        write(prelude);
        write(new Uint8Array(8));
      };
      return stream;
    },
  },
};

async function runStreaming(api, handler, event, context, id) {
  const stream = new ResponseStream(api, id, handler[HIGH_WATER_MARK]);
  const closed = new Promise((resolve) => stream.once("close", resolve));
  let failure = null;
  stream.on("error", (problem) => {
    failure ??= problem;
  });
  const idle = nothingLeft();
  try {
    const ran = (async () => handler(event, stream, context))();
    const left = await Promise.race([Promise.all([ran, closed]), idle.promise]);
    if (left === idle && !stream.writableFinished) {
      failure ??= new RuntimeFault("Runtime.StreamNotEnded", "The handler did not end its response stream");
    }
  } catch (problem) {
    failure = problem ?? new Error("the handler failed without a reason");
  }
  idle.stop();
  stream.ended = true;
  api.socket.ref();
  if (failure === null) {
    await stream.accepted;
    return api.next();
  }
  logError("Invoke Error ", failure);
  if (stream.begun) {
    if (!stream.writableFinished) {
      stream.failure = failure;
      stream.finishBody();
    }
    await stream.accepted;
    return api.next();
  }
  const document = errorDocument(failure);
  return api.answer(`invocation/${id}/error`, JSON.stringify(document), typeHeader(document.errorType));
}

// --- one invocation ---

let onNothingLeft = null;
process.on("beforeExit", () => {
  const call = onNothingLeft;
  onNothingLeft = null;
  if (call) setImmediate(call);
});

// Fires when the event loop has nothing left to do but to wait for us: our own socket does not count.
function nothingLeft() {
  const self = { stop: () => (onNothingLeft = null) };
  self.promise = new Promise((resolve) => {
    onNothingLeft = () => resolve(self);
  });
  return self;
}

function makeContext(headers) {
  // Lambda says the time of day; what is left of it must not change when somebody sets the clock.
  const deadline = monotonicNow() + Number(headers["lambda-runtime-deadline-ms"]) - Date.now();
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: jsonHeader(headers, "lambda-runtime-client-context", "ClientContext"),
    identity: jsonHeader(headers, "lambda-runtime-cognito-identity", "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    getRemainingTimeInMillis: () => Math.round(deadline - monotonicNow()),
  };
  return context;
}

function jsonHeader(headers, name, title) {
  if (!headers[name]) return undefined;
  try {
    return JSON.parse(headers[name]);
  } catch (problem) {
    throw new Error(`Cannot parse ${title} as json: ${problem}`);
  }
}

// The handler's result, by promise or by callback; `wait` says whether the event loop has to be empty first.
function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    let settled = false;
    const idle = nothingLeft();
    const now = (error, result) => {
      settled = true;
      idle.stop();
      if (error !== null && error !== undefined) reject(error);
      else resolve(result);
    };
    const callback = (error, result) => {
      if (settled) return;
      settled = true;
      if (context.callbackWaitsForEmptyEventLoop === false || (error !== null && error !== undefined)) {
        now(error, result);
      } else {
        idle.promise.then(() => now(null, result));
      }
    };
    context.done = callback;
    context.succeed = (result) => callback(null, result);
    context.fail = (error) => callback(error ?? "handled");
    // A handler that neither calls back nor resolves ends with null, as on AWS.
    idle.promise.then(() => {
      if (!settled) now(null, null);
    });
    try {
      const returned = handler(event, context, callback);
      if (typeof returned?.then === "function") {
        returned.then(
          (result) => now(null, result),
          (error) => now(error ?? "handled"),
        );
      }
    } catch (error) {
      now(error ?? "handled");
    }
  });
}

async function serve(api, handler) {
  let message = await api.next();
  for (;;) {
    const { headers, body } = message;
    const id = headers["lambda-runtime-aws-request-id"];
    currentId = id;
    if (headers["lambda-runtime-trace-id"]) process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
    else delete process.env._X_AMZN_TRACE_ID;
    api.socket.unref();
    let text;
    let failure = null;
    try {
      const event = JSON.parse(body.toString("utf8"));
      const context = makeContext(headers);
      if (handler[STREAMING] === "response") {
        message = await runStreaming(api, handler, event, context, id);
        continue;
      }
      const result = await run(handler, event, context);
      try {
        text = JSON.stringify(result === undefined ? null : result) ?? "null";
      } catch {
        throw new Error("Unable to stringify response body");
      }
    } catch (problem) {
      failure = problem ?? new Error("the handler failed without a reason");
    }
    api.socket.ref();
    if (failure === null) {
      message = await api.answer(`invocation/${id}/response`, text);
    } else {
      logError("Invoke Error ", failure);
      const document = errorDocument(failure);
      message = await api.answer(`invocation/${id}/error`, JSON.stringify(document), typeHeader(document.errorType));
    }
  }
}

async function fatal(api, error, title, status) {
  api.socket.ref();
  logError(title, error);
  const document = errorDocument(error);
  const what = currentId === "undefined" ? "init/error" : `invocation/${currentId}/error`;
  await api.post(what, JSON.stringify(document), typeHeader(document.errorType));
  process.exit(status);
}

async function main() {
  const root = process.env.LAMBDA_TASK_ROOT;
  process.chdir(root);
  process.argv.splice(2);
  patchConsole();
  const api = new Api(process.env.AWS_LAMBDA_RUNTIME_API);
  process.on("uncaughtException", (error) => fatal(api, error, "Uncaught Exception ", 129));
  process.on("unhandledRejection", (reason, promise) => {
    const error = new RuntimeFault("Runtime.UnhandledPromiseRejection", String(reason?.toString?.() ?? reason));
    Object.assign(error, { reason, promise });
    return fatal(api, error, "Unhandled Promise Rejection ", 128);
  });
  let handler;
  try {
    handler = await findHandler(root, process.env._HANDLER);
  } catch (error) {
    await fatal(api, error, "Init Error ", 1);
  }
  await serve(api, handler);
}

await main();
