"""The embedded Lambda: functions in worker processes of this machine, as Lambda would run them.

The way of an invocation: `invoker` finds the function and makes a `job`; `pool` gives it to a `worker`, which owns a
`process`, its `loopback` port with the Runtime `api`, and its `logs`. In the process runs `bootstrap.py`,
`bootstrap.mjs` or the function's own program, as `runtimes` says. What came of it is in `results`, or goes through
`sinks` into a `stream`. `functions` and `site` are the settings, `reload` looks for changed files, `events`
runs asynchronous invocations, and `invoke_api` serves it all to SDKs.

`layers` and `sandbox` give a worker Lambda's folders, `interpreters` finds what runs it, and `starter`, `extensions`
and `telemetry` are for functions with extensions, `web_bridge` for those that are web servers.
"""
