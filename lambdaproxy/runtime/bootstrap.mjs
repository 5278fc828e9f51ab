// The Node runtime: runs in the worker process, takes events from the Runtime API and gives them to the handler.
//
// Run as `node bootstrap.mjs`, without dependencies. What a handler sees (context, callbacks, console records,
// error documents, `awslambda.streamifyResponse`) is as Lambda's own Node runtime has it.
//
// One long file: each further module is read and compiled at every cold start.

import fs from "node:fs";
import net from "node:net";
import nodeModule, { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Writable } from "node:stream";
import { types, format } from "node:util";

const INHERITED = 3;
const FIRST_LANE = 5;
const GIVE_UP_MS = 200;
const monotonicNow = performance.now.bind(performance);
const BASE = "/2018-06-01/runtime/";
const PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response";
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");

// What we are told at start: layers, and, where several requests are taken at once, `threads LANES THREADS` (the first
// thread, which starts the others) or `lanes DESCRIPTOR...` (one of those, with a connection for each of its requests).
const START = (process.env._LAMBDAPROXY_START ?? "").split("\n");
const told = (word) => START.find((line) => line.startsWith(word + " "))?.split(" ").slice(1).map(Number);
const THREADS = told("threads");
const LANES = told("lanes");

// Whose rules hold: those of the runtime that the function names, else of the one with the Node that runs it. Where
// several requests are taken at once, those of the client that can do so, which is that of Node 24.
process.env.AWS_EXECUTION_ENV ??= `AWS_Lambda_nodejs${process.versions.node.split(".")[0]}.x`;
const SINCE_24 = Boolean(LANES ?? THREADS) || Number(/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV)?.[1] ?? 0) >= 24;

// --- the Runtime API: one kept connection, which this process was born with, written by hand, as in the Python bootstrap ---

class Api {
  constructor(address, descriptor = INHERITED) {
    this.host = `Host: ${address}\r\n`;
    this.getNext = `GET ${BASE}invocation/next HTTP/1.1\r\n${this.host}\r\n`;
    this.buffer = Buffer.alloc(0);
    this.waiting = [];
    this.parsed = null;
    this.socket = new net.Socket({ fd: descriptor, readable: true, writable: true });
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

let currentId = SINCE_24 ? "-" : undefined;
let currentTenant;
let invoked = false;
let dying = false;
const jsonLogs = (process.env.AWS_LAMBDA_LOG_FORMAT ?? "").toUpperCase() === "JSON";
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const pause = new Int32Array(new SharedArrayBuffer(4));

function writeWhole(text) {
  const data = Buffer.from(text);
  for (let at = 0; at < data.length; ) {
    try {
      at += fs.writeSync(1, data, at);
    } catch (problem) {
      // The pipe is full: whoever reads it needs a moment.
      if (problem.code !== "EAGAIN") throw problem;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

const described = (error, stack = error.stack) => ({
  errorType: (error instanceof RuntimeFault ? error.className : error.constructor?.name) ?? "UnknownError",
  errorMessage: error.message,
  stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : stack,
});

function jsonRecord(level, message, params) {
  const record = { timestamp: new Date().toISOString(), level, requestId: LANES ? invokeStore.getRequestId() : currentId };
  if (!SINCE_24 && currentTenant !== undefined) record.tenantId = currentTenant;
  if (!params.length) {
    record.message = message;
    try {
      return JSON.stringify(record, (_, one) => (one instanceof Error ? Object.assign(described(one), one) : one));
    } catch {
      record.message = format(message);
      return JSON.stringify(record);
    }
  }
  record.message = format(message, ...params);
  const error = (SINCE_24 ? params : [message, ...params]).find((one) => one instanceof Error);
  return JSON.stringify(error ? { ...record, ...described(error, []) } : record);
}

function writeRecord(level, message, ...params) {
  const line = jsonLogs
    ? jsonRecord(level, message, params)
    : `${new Date().toISOString()}\t${currentId}\t${level}\t${format(message, ...params)}`;
  writeWhole(line.replace(/\n/g, "\r") + "\n");
}

function patchConsole() {
  const least = Math.max(0, LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL ?? "").toUpperCase()));
  LEVELS.forEach((level, priority) => {
    console[level.toLowerCase()] =
      priority >= least ? (message, ...params) => writeRecord(level, message, ...params) : () => {};
  });
  console.log = console.info;
}

// --- errors ---

class RuntimeFault extends Error {
  // `cause` is what was thrown: its lines say where, under the words of the official clients.
  constructor(type, message, cause) {
    super(message);
    Object.defineProperty(this, "name", { value: type, enumerable: SINCE_24 });
    if (!SINCE_24) this.stack = `${message ? `${type}: ${message}` : type}\n${cause?.stack ?? this.stack.slice(this.stack.indexOf("\n    at ") + 1)}`;
    else if (cause instanceof SyntaxError) this.stack = cause.stack;
  }

  // The name of its class in the official clients, which records in JSON show.
  get className() {
    const name = this.name.split(".")[1];
    return SINCE_24 && !/Error$|^InvalidStreaming|^MalformedStreaming/.test(name) ? name + "Error" : name;
  }
}

const isText = (value) => typeof value === "string" && value !== "";

function errorDocument(error) {
  const clean = (text) => text.replace(/\x7f/g, "%7F");
  try {
    if (
      SINCE_24
        ? error instanceof Error
        : types.isNativeError(error) || (isText(error?.name) && isText(error.message) && isText(error.stack))
    ) {
      return {
        errorType: error.name && clean(error.name),
        errorMessage: error.message && clean(error.message),
        trace: SINCE_24 && (error.stack ?? null) === null ? [] : clean(error.stack).split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: SINCE_24 ? String(error) : error.toString(), trace: [] };
  } catch {
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, " +
        "name, and stack",
      ...(SINCE_24 ? { trace: [] } : {}),
    };
  }
}

// An error as a log shows it: with what was added to it, and with the errors inside, each with its stack.
function spelled(error) {
  const inside = (_, one) => {
    if (!(one instanceof Error)) return one;
    const all = { errorType: one.name, errorMessage: one.message, code: one.code, ...one };
    if (typeof one.stack === "string") all.stack = one.stack.split("\n");
    return all;
  };
  try {
    return "\t" + JSON.stringify(error, inside);
  } catch {
    return "\t" + JSON.stringify(errorDocument(error));
  }
}

function logError(title, thrown) {
  // What cannot be made a text ends the process, as there.
  const error = thrown instanceof Error ? thrown : new Error(SINCE_24 ? String(thrown) : thrown);
  const sdk = /MODULE_NOT_FOUND$/.test(error.code ?? "") && /'((?:@aws-sdk|@smithy)\/[^'/]+|aws-sdk)/.exec(error.message);
  if (sdk) {
    console.warn(`Lambda's own Node has ${sdk[1]}, this machine has not: npm install ${sdk[1]} in ${process.cwd()}`);
  }
  if (jsonLogs) console.error(error);
  else console.error(title, spelled(error));
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
      if (problem.code !== "ENOENT") {
        const file = path.join(folder, "package.json");
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, problem);
        return false;
      }
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
  const before = text.slice(0, text.indexOf(base));
  const folder = SINCE_24 ? before.replace(/\/$/, "") : before;
  const found = /^([^.]*)\.(.*)$/.exec(base);
  if (!found) throw new RuntimeFault("Runtime.MalformedHandlerName", "Bad handler");
  const [, file, names] = found;
  const module = await load(root, folder, file);
  let handler = names.split(".").reduce((at, name) => at && at[name], module);
  if (SINCE_24) {
    const find = (from) => names.split(".").reduce((at, name) => (at && typeof at === "object" ? at[name] : undefined), from);
    handler = find(module);
    if (!handler && typeof module === "object" && "default" in module) handler = find(module.default);
  }
  if (!handler) throw new RuntimeFault("Runtime.HandlerNotFound", `${text} is undefined or not exported`);
  if (typeof handler !== "function") {
    throw new RuntimeFault("Runtime.HandlerNotFound", `${text} is not a function`);
  }
  const streaming = handler[STREAMING];
  if (streaming !== "response" && (SINCE_24 ? streaming : (streaming ?? false) !== false)) {
    // Version 3 of the client looks for a class that it has not.
    if (!SINCE_24) throw new ReferenceError("MalformedStreamingHandler is not defined");
    throw new RuntimeFault("Runtime.MalformedStreamingHandler", "Only response streaming is supported.");
  }
  if (SINCE_24 && handler.length >= 3 && !streaming) {
    throw new RuntimeFault(
      "Runtime.CallbackHandlerDeprecated",
      "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to " +
        "modify this function to use a supported handler signature to use Node.js 24 or later. For more information see " +
        "https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.",
    );
  }
  return handler;
}

// Lambda's runtimes before 24 do not take ES module syntax in a file that is not said to be one; newer Nodes would.
function refuseModuleSyntax(file, require) {
  if (/--experimental-(detect|require)-module/.test(process.env.NODE_OPTIONS ?? "")) return;
  if (!fs.statSync(file).isFile()) return;
  const text = fs.readFileSync(file, "utf8").replace(/^#!.*/, "");
  if (!/(?:^|[;}])\s*(?:import|export)\b|import\.meta/m.test(text)) return;
  try {
    const names = ["exports", "require", "module", "__filename", "__dirname"];
    require("node:vm").compileFunction(text, names, { filename: file });
  } catch (problem) {
    const which = /import statement outside a module|Unexpected token 'export'|import\.meta' outside a module/;
    if (which.test(problem.message)) throw problem;
  }
}

async function loadBefore24(stem, require) {
  const js = stem + ".js";
  const isJs = fs.existsSync(js);
  const isNew = isJs && isModule(js);
  if (isJs && !isNew) refuseModuleSyntax(js, require);
  return (
    (fs.existsSync(stem) && require(stem)) ||
    (isJs && !isNew && require(js)) ||
    (isNew && (await import(pathToFileURL(js).href))) ||
    (fs.existsSync(stem + ".mjs") && (await import(pathToFileURL(stem + ".mjs").href))) ||
    (fs.existsSync(stem + ".cjs") && require(stem + ".cjs"))
  );
}

async function loadSince24(stem) {
  for (const suffix of ["", ".js", ".mjs", ".cjs"]) {
    if (fs.existsSync(stem + suffix)) return import(pathToFileURL(stem + suffix).href);
  }
  return undefined;
}

async function load(root, folder, file) {
  const require = createRequire(path.join(root, "_"));
  const stem = path.resolve(root, folder, file);
  try {
    const found = await (SINCE_24 ? loadSince24(stem) : loadBefore24(stem, require));
    return found || require(require.resolve(file, { paths: [root, path.join(root, folder)] }));
  } catch (problem) {
    if (problem instanceof SyntaxError) {
      throw new RuntimeFault("Runtime.UserCodeSyntaxError", problem.toString(), problem);
    }
    // What an ES module imports and is nowhere keeps the error of Node (ERR_MODULE_NOT_FOUND), as on Lambda.
    if (problem?.code === "MODULE_NOT_FOUND") {
      throw new RuntimeFault("Runtime.ImportModuleError", problem.toString(), problem);
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
    this.wrote = false;
    this.ready = new Promise((resolve) => (this.isReady = resolve));
    this.finishedBody = false;
    this.ended = false;
    this.pending = 0;
    this.accepted = null;
    this.failure = null;
    this._onBeforeFirstWrite = null;
  }

  // What goes wrong at once, as a write after `end`, comes before anything is sent.
  _construct(done) {
    setImmediate(() => {
      done();
      setImmediate(this.isReady);
    });
  }

  setContentType(type) {
    if (this.wrote) {
      throw new RuntimeFault("Runtime.InvalidStreamingOperation", "Cannot set content-type, too late.");
    }
    this.contentType = type;
  }

  // What is neither text nor bytes is written as JSON. A head goes out with the first write; `end` alone sends none, as
  // on Lambda.
  write(chunk, encoding, callback) {
    void chunk.length;
    let data = chunk;
    const isBytes = SINCE_24 ? chunk instanceof Uint8Array : Buffer.isBuffer(chunk) || chunk.constructor === Uint8Array;
    if (typeof chunk !== "string" && !isBytes) data = JSON.stringify(chunk);
    if (!this.wrote && typeof this._onBeforeFirstWrite === "function") {
      this._onBeforeFirstWrite((head) => {
        // Metadata that are no JSON fail in the words of Node's own HTTP client.
        if (head === undefined) new (createRequire(import.meta.url)("node:http").OutgoingMessage)().write(head);
        super.write(Buffer.from(head));
      });
    }
    this.wrote = true;
    return super.write(data, encoding, callback);
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
    this.finishedBody = true;
    let trailers = "";
    if (this.failure) {
      const document = errorDocument(this.failure);
      const body = Buffer.from(JSON.stringify(document)).toString("base64");
      trailers = typeHeader(document.errorType) + `Lambda-Runtime-Function-Error-Body: ${body}\r\n`;
    }
    this.api.socket.write(`0\r\n${trailers}\r\n`, "latin1");
  }
}

class HttpResponseStream {
  static from(stream, metadata) {
    stream.setContentType(PRELUDE_TYPE);
    const prelude = JSON.stringify(metadata);
    stream._onBeforeFirstWrite = (write) => {
      write(prelude);
      write(new Uint8Array(8));
    };
    return stream;
  }
}

// What code finds out about its invocation without the context (`@aws/lambda-invoke-store` asks for it here).
const invokeKeys = { REQUEST_ID: Symbol.for("_AWS_LAMBDA_REQUEST_ID"), X_RAY_TRACE_ID: Symbol.for("_AWS_LAMBDA_X_RAY_TRACE_ID"),
  TENANT_ID: Symbol.for("_AWS_LAMBDA_TENANT_ID") };  // prettier-ignore

class InvokeStore {
  static PROTECTED_KEYS = invokeKeys;
  #context;
  isProtectedKey(key) {
    return Object.values(invokeKeys).includes(key);
  }
  getContext() {
    return this.#context;
  }
  hasContext() {
    return this.#context !== undefined;
  }
  get(key) {
    return this.#context?.[key];
  }
  set(key, value) {
    if (this.isProtectedKey(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    this.#context = this.#context || {};
    this.#context[key] = value;
  }
  run(context, call) {
    this.#context = context;
    return call();
  }
  getRequestId() {
    return this.get(invokeKeys.REQUEST_ID) ?? "-";
  }
  getXRayTraceId() {
    return this.get(invokeKeys.X_RAY_TRACE_ID);
  }
  getTenantId() {
    return this.get(invokeKeys.TENANT_ID);
  }
}

// The same where several requests run in one thread: what belongs to each goes with its asynchronous calls.
class InvokeStoreOfSeveral extends InvokeStore {
  #storage = new (createRequire(import.meta.url)("node:async_hooks").AsyncLocalStorage)();
  getContext() {
    return this.#storage.getStore();
  }
  hasContext() {
    return this.getContext() !== undefined;
  }
  get(key) {
    return this.getContext()?.[key];
  }
  set(key, value) {
    if (this.isProtectedKey(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    const context = this.getContext();
    if (!context) throw new Error("No context available");
    context[key] = value;
  }
  run(context, call) {
    return this.#storage.run(context, call);
  }
}

const invokeStore = LANES ? new InvokeStoreOfSeveral() : new InvokeStore();

if (!["1", "true"].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
  globalThis.awslambda = {
    ...(SINCE_24 ? globalThis.awslambda : {}),
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (typeof options?.highWaterMark === "number") handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      return handler;
    },
    HttpResponseStream,
    ...(SINCE_24 ? { InvokeStore: invokeStore } : {}),
  };
}

async function runStreaming(api, handler, event, context, id, late = null) {
  const stream = new ResponseStream(api, id, handler[HIGH_WATER_MARK]);
  const closed = new Promise((resolve) => stream.once("close", resolve));
  let failure = null;
  let lost = false;
  stream.on("error", (problem) => {
    failure ??= problem;
    if (stream.begun) return;
    // Nobody hears of it in the official client, either: it is an unhandled rejection, and ends the process.
    lost = true;
    Promise.reject(problem);
  });
  const idle = nothingLeft();
  try {
    const returned = SINCE_24 ? stored(context, () => handler(event, stream, context)) : handler(event, stream, context);
    if (typeof returned?.then !== "function") {
      const message = "Streaming does not support non-async handlers.";
      throw SINCE_24 ? new Error(message) : message;
    }
    const ran = returned.then((result) => {
      if (result !== undefined) console.warn("Streaming handlers ignore return values.");
    });
    const left = await Promise.race([Promise.all([ran, closed]), late?.promise ?? idle.promise]);
    if (left === idle && !stream.writableFinished) {
      failure ??= new RuntimeFault("Runtime.StreamNotEnded", "The handler did not end its response stream");
    }
  } catch (problem) {
    failure = problem ?? new Error("the handler failed without a reason");
  }
  idle.stop();
  if (late?.passed()) {
    if (stream.begun && !stream.finishedBody) stream.finishBody();
    stream.destroy();
    if (stream.begun) await stream.accepted;
    return api.next();
  }
  if (failure !== null && !lost) logError("Invoke Error", failure);
  // What was written before a failure goes out in front of it.
  if ((stream.wrote || stream.writableEnded) && !stream.begun) await stream.ready;
  if (lost) await new Promise(() => {});
  stream.ended = true;
  api.socket.ref();
  if (failure === null) {
    await stream.accepted;
    return api.next();
  }
  if (stream.begun) {
    if (!stream.finishedBody) {
      // What has ended its stream cannot fail it any more.
      if (!stream.writableEnded) stream.failure = failure;
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

function makeContext(headers, streaming) {
  // Lambda says the time of day; what is left of it must not change when somebody sets the clock.
  const deadline = monotonicNow() + Number(headers["lambda-runtime-deadline-ms"]) - Date.now();
  const ofEnvironment = {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
  const ofRequest = {
    clientContext: jsonHeader(headers, "lambda-runtime-client-context", "ClientContext"),
    identity: jsonHeader(headers, "lambda-runtime-cognito-identity", "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    ...(SINCE_24 ? { xRayTraceId: headers["lambda-runtime-trace-id"] } : {}),
    getRemainingTimeInMillis: () => Math.round(deadline - monotonicNow()),
  };
  // In the order of each client, which code that prints a context shows.
  if (SINCE_24) {
    const { functionVersion, functionName, ...rest } = ofEnvironment;
    return { ...ofRequest, functionName, functionVersion, ...rest };
  }
  const ends = streaming ? {} : { succeed: undefined, fail: undefined, done: undefined };
  return { callbackWaitsForEmptyEventLoop: true, ...ends, ...ofEnvironment, ...ofRequest };
}

function jsonHeader(headers, name, title) {
  if (!headers[name]) return undefined;
  try {
    return JSON.parse(headers[name]);
  } catch (problem) {
    throw new Error(`Cannot parse ${title} as json: ${problem}`);
  }
}

function written(result) {
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch {
    const message = "Unable to stringify response body";
    throw SINCE_24 ? new RuntimeFault("Runtime.JSONStringifyError", message) : new Error(message);
  }
  // A function or a symbol is nothing in JSON.
  if (text === undefined) throw new TypeError("Wrong arguments");
  return text;
}

// The handler's result as JSON, by promise or by callback, whichever is first; a callback may wait until the event loop
// is empty, `context.done` and the promise do not.
function run(api, handler, event, context) {
  return new Promise((resolve, reject) => {
    let finished = false;
    const idle = nothingLeft();
    const end = (error, result) => {
      if (error !== null && error !== undefined) {
        // What cannot be made a text fails once more, by that.
        if (!(error instanceof Error)) void new Error(error);
        idle.stop();
        reject(error);
        return;
      }
      const text = written(result);
      idle.stop();
      resolve(text);
    };
    const first = (call) => (one, other) => {
      if (finished) return;
      call(one, other);
      finished = true;
    };
    const callback = first((error, result) => {
      if ((error !== null && error !== undefined) || !context.callbackWaitsForEmptyEventLoop) end(error, result);
      else onNothingLeft = () => end(null, result);
    });
    context.done = first(end);
    context.succeed = first((result) => end(null, result));
    context.fail = first((error) => end(error ?? "handled"));
    // A handler that neither calls back nor resolves ends with null, as on AWS.
    idle.promise.then(() => end(null, null));
    try {
      const returned = handler(event, context, callback);
      if (typeof returned?.then === "function") {
        returned.then(context.succeed, context.fail).catch(context.fail);
      }
    } catch (error) {
      try {
        callback(error);
      } catch (worse) {
        console.log(`Unexpected Top Level Error: ${worse.toString()}`);
        fatal(api, worse, null, 129);
      }
    }
  });
}

const stored = (context, call) =>
  invokeStore.run({ [invokeKeys.REQUEST_ID]: context.awsRequestId, [invokeKeys.X_RAY_TRACE_ID]: context.xRayTraceId }, call);

async function serve(api, handler) {
  let message = await api.next();
  for (;;) {
    if (dying) return;
    const { headers, body } = message;
    const id = headers["lambda-runtime-aws-request-id"];
    currentId = id;
    currentTenant = headers["lambda-runtime-aws-tenant-id"];
    invoked = true;
    if (headers["lambda-runtime-trace-id"]) process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
    else delete process.env._X_AMZN_TRACE_ID;
    api.socket.unref();
    let text;
    let failure = null;
    try {
      const event = JSON.parse(body.toString("utf8"));
      const streaming = handler[STREAMING] === "response";
      const context = makeContext(headers, streaming);
      if (streaming) {
        message = await runStreaming(api, handler, event, context, id);
        continue;
      }
      text = SINCE_24 ? written(await stored(context, () => handler(event, context))) : await run(api, handler, event, context);
    } catch (problem) {
      failure = { problem };
    }
    api.socket.ref();
    if (failure === null) {
      message = await api.answer(`invocation/${id}/response`, text);
    } else {
      logError("Invoke Error", failure.problem);
      const document = errorDocument(failure.problem);
      message = await api.answer(`invocation/${id}/error`, JSON.stringify(document), typeHeader(document.errorType));
    }
  }
}

// --- several requests at once, in threads ---

// Fires when the time of a request has passed: Lambda has answered then, and lets the handler run on, which keeps nobody
// else from being served. Later than the answer by a little, so that both see the same.
function tooLate(headers) {
  const self = {};
  const until = Number(headers["lambda-runtime-deadline-ms"]) + GIVE_UP_MS;
  self.promise = new Promise((resolve) => {
    const timer = setTimeout(() => resolve(self), Math.min(until - Date.now(), 0x7fffffff));
    // A handler that has kept its thread from everything else may come to its end before the timer does.
    self.passed = () => {
      clearTimeout(timer);
      return Date.now() >= until;
    };
  });
  return self;
}

async function answerOne(api, handler, headers, body, id) {
  const late = tooLate(headers);
  try {
    const event = JSON.parse(body.toString("utf8"));
    const streaming = handler[STREAMING] === "response";
    const context = makeContext(headers, streaming);
    if (streaming) return await runStreaming(api, handler, event, context, id, late);
    const result = await Promise.race([handler(event, context), late.promise]);
    if (late.passed()) return await api.next();
    return await api.answer(`invocation/${id}/response`, written(result));
  } catch (problem) {
    logError("Invoke Error", problem);
    if (late.passed()) return api.next();
    const document = errorDocument(problem);
    return api.answer(`invocation/${id}/error`, JSON.stringify(document), typeHeader(document.errorType));
  }
}

// One request after the other; there is one of these for each that the thread may run at once.
async function serveLane(api, handler) {
  let message = await api.next();
  for (;;) {
    const { headers, body } = message;
    const id = headers["lambda-runtime-aws-request-id"];
    const about = { [invokeKeys.REQUEST_ID]: id, [invokeKeys.X_RAY_TRACE_ID]: headers["lambda-runtime-trace-id"],
      [invokeKeys.TENANT_ID]: headers["lambda-runtime-aws-tenant-id"] };  // prettier-ignore
    message = await invokeStore.run(about, () => answerOne(api, handler, headers, body, id));
  }
}

// The first thread runs no handler: it starts the others, and says which lanes end with one of them, and how.
function startThreads(lanes, count) {
  const { Worker } = createRequire(import.meta.url)("node:worker_threads");
  // Flags of V8 are the whole process's, and none of a thread.
  const execArgv = process.execArgv.filter((one) => !/^--(?:expose-gc|max-semi-space-size|max-old-space-size)/.test(one));
  const others = START.filter((line) => line && !line.startsWith("threads "));
  const start = (index) => {
    const mine = [];
    for (let lane = index; lane < lanes; lane += count) mine.push(lane);
    const told = [...others, `lanes ${mine.map((lane) => FIRST_LANE + lane).join(" ")}`].join("\n");
    const thread = new Worker(new URL(import.meta.url), { env: { ...process.env, _LAMBDAPROXY_START: told }, execArgv });
    thread.on("error", (error) => logError(`Worker ${index} error:`, error));
    thread.on("exit", (code) => {
      if (code !== 0) logError(`Worker ${index} exit:`, new Error(`Worker ${index} exited with code ${code}`));
      fs.writeSync(INHERITED, `ended ${code} ${mine.join(" ")}\n`);
    });
    return thread;
  };
  // The first request waits for one of them only: the others begin when the first one is ready, or cannot be.
  const first = start(0);
  let begun = false;
  const startOthers = () => {
    for (let index = 1; index < count && !begun; index++) start(index);
    begun = true;
  };
  first.once("message", startOthers);
  first.once("exit", startOthers);
}

async function runThread(root) {
  const apis = LANES.map((descriptor) => new Api(process.env.AWS_LAMBDA_RUNTIME_API, descriptor));
  // A thread lives for as long as its lanes do: a handler that is never done must not be its end.
  for (const api of apis) api.socket.unref = () => api.socket;
  let handler;
  try {
    handler = await findHandler(root, process.env._HANDLER);
  } catch (error) {
    logError("Init Error", error);
    await postInit(apis[0], error);
    process.exit(1);
  }
  createRequire(import.meta.url)("node:worker_threads").parentPort.postMessage("ready");
  await Promise.all(apis.map((api) => serveLane(api, handler)));
}

function postInit(api, error) {
  const document = errorDocument(error);
  return api.post("init/error", JSON.stringify(document), typeHeader(document.errorType));
}

async function fatal(api, error, title, status) {
  api.socket.ref();
  dying = true;
  if (title !== null) logError(title, error);
  // An event is asked for, or here: nothing that was said of the init now would be taken.
  if (!invoked && api.waiting.length) process.exit(status);
  if (!invoked) await postInit(api, error);
  else {
    const document = errorDocument(error);
    await api.post(`invocation/${currentId}/error`, JSON.stringify(document), typeHeader(document.errorType));
  }
  process.exit(status);
}

// Packages of layers for `import`, which does not look in NODE_PATH as `require` does: after everything else.
function importFromLayers(folders) {
  const places = folders.map((folder) => pathToFileURL(path.join(folder, "..", "_.mjs")).href);
  const isPackage = (specifier) => !/^(?:[./#]|[a-z][a-z\d+.-]*:)/i.test(specifier);
  if (nodeModule.registerHooks) {
    nodeModule.registerHooks({
      resolve(specifier, context, next) {
        try {
          return next(specifier, context);
        } catch (problem) {
          if (problem?.code !== "ERR_MODULE_NOT_FOUND" || !isPackage(specifier)) throw problem;
          for (const parentURL of places) {
            try {
              return next(specifier, { ...context, parentURL });
            } catch {}
          }
          throw problem;
        }
      },
    });
    return;
  }
  const source = `
    export async function resolve(specifier, context, next) {
      try {
        return await next(specifier, context);
      } catch (problem) {
        if (problem?.code !== "ERR_MODULE_NOT_FOUND" || !(${isPackage})(specifier)) throw problem;
        for (const parentURL of ${JSON.stringify(places)}) {
          try {
            return await next(specifier, { ...context, parentURL });
          } catch {}
        }
        throw problem;
      }
    }`;
  nodeModule.register?.(`data:text/javascript,${encodeURIComponent(source)}`);
}

async function main() {
  const root = process.env.LAMBDA_TASK_ROOT;
  // A thread is where its process is.
  if (!LANES) process.chdir(root);
  process.argv.splice(2);
  delete process.env._LAMBDAPROXY_START;
  delete process.env._LAMBDAPROXY_SESSION;
  patchConsole();
  if (THREADS) return startThreads(...THREADS);
  const layers = START.filter((line) => line.startsWith("layer "));
  if (layers.length) importFromLayers(layers.map((line) => line.slice(6)));
  if (LANES) return runThread(root);
  const api = new Api(process.env.AWS_LAMBDA_RUNTIME_API);
  if (!SINCE_24) {
    process.on("uncaughtException", (error) => fatal(api, error, "Uncaught Exception", 129));
    process.on("unhandledRejection", (reason, promise) => {
      const text = reason === undefined ? "" : String(reason?.toString?.() ?? reason);
      const error = new RuntimeFault("Runtime.UnhandledPromiseRejection", text);
      Object.assign(error, { reason, promise });
      return fatal(api, error, "Unhandled Promise Rejection", 128);
    });
  }
  // A module that waits for what never comes ends the process, as on Lambda, instead of waiting with our socket.
  api.socket.unref();
  let handler;
  try {
    handler = await findHandler(root, process.env._HANDLER);
  } catch (error) {
    if (!SINCE_24) await fatal(api, error, "Uncaught Exception", 129);
    // The client since 24 tells, and throws it once more: Node shows it in its own way, and ends.
    api.socket.ref();
    logError("Init Error", error);
    await postInit(api, error);
    throw error;
  }
  api.socket.ref();
  await serve(api, handler);
}

// A wait without end is status 13 where it is one of the top level, and 0 in the client since 24, where it is none.
const running = main();
if (!SINCE_24) await running;
