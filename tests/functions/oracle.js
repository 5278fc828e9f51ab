// What `test_oracle` asks of a Node runtime: each value, error and record is one invocation of this module.

const added = (error, more) => Object.assign(error, more);
const stacked = (stack) => {
  const error = new Error("stacked");
  error.stack = stack;
  return error;
};

const values = {
  array: () => [undefined, () => 1, Symbol("x"), NaN, -0, Infinity],
  map: () => new Map([[1, 2]]),
  buffer: () => Buffer.from("hi"),
  error: () => new Error("x"),
  bigint: () => 10n,
  symbol: () => Symbol("x"),
  to_json: () => ({ toJSON: () => 7 }),
  to_json_throws: () => ({ toJSON: () => { throw new RangeError("no"); } }),
  boxed: () => [new String("a"), new Number(1), Object(true)],
  thenable: () => ({ then: (resolve) => resolve("by then") }),
  surrogate: () => "\ud800",
  context_keys: (context) => Object.keys(context),
  context_types: (context) => Object.fromEntries(Object.entries(context).map(([key, one]) => [key, typeof one])),
  globals: () => Object.entries(globalThis.awslambda).map(([key, one]) => [key, typeof one]),
  stored: () => [awslambda.InvokeStore?.getRequestId(), typeof awslambda.InvokeStore?.getXRayTraceId(),
    awslambda.InvokeStore?.getTenantId() ?? null, awslambda.InvokeStore?.hasContext()],  // prettier-ignore
};

const errors = {
  properties: () => added(new Error("m"), { code: "E", status: 404, inner: { a: 1 } }),
  named: () => added(new Error("m"), { name: "Custom" }),
  name_is_a_number: () => added(new Error("m"), { name: 5 }),
  no_name: () => added(new Error("m"), { name: "" }),
  cause: () => new Error("m", { cause: new Error("c") }),
  many: () => new AggregateError([new Error("a"), new Error("b")], "many"),
  like_an_error: () => ({ name: "N", message: "M", stack: "S" }),
  object: () => ({ a: 1 }),
  number: () => 42,
  lines: () => new Error("one\ntwo"),
  deletes: () => new Error("a\x7fb"),
  no_stack: () => stacked(undefined),
  null_stack: () => stacked(null),
  object_stack: () => stacked({}),
  empty_stack: () => stacked(""),
  other_realm: () => require("node:vm").runInNewContext("new Error('other')"),
  proxied: () => new Proxy(new Error("p"), {}),
  holds_itself: () => {
    const error = new Error("n");
    error.self = error;
    return error;
  },
};

const logs = {
  levels: () => ["trace", "debug", "info", "log", "warn", "error", "fatal"].forEach((level) => console[level]("by " + level)),
  formats: () => {
    console.log("%s is %d and %j", "a", 5, { b: 1 });
    console.log();
    console.log(null, 1n, Symbol("x"), undefined);
    console.log({ a: [1, { b: { c: { d: 1 } } }] });
    console.log("one\ntwo");
  },
  errors: () => {
    const alone = added(new RangeError("alone"), { extra: 1, stack: 5 });
    console.error(alone);
    console.error("before", alone);
    console.error(alone, "after");
    console.error({ inner: alone });
  },
};

exports.names = () => ({ values: Object.keys(values), errors: Object.keys(errors), logs: Object.keys(logs) });

exports.handler = async (name, context) => {
  if (name === "names") return exports.names();
  if (errors[name]) throw errors[name]();
  if (logs[name]) logs[name]();
  return values[name] ? values[name](context) : name;
};
