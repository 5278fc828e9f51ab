"""Runs functions of a Python module in threads: the least that keeps every promise of an invoker."""

import json
from threading import Thread

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from lambdaproxy.errors import EventTooLarge, InvokeTimeout, Unavailable, UnknownFunction
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.messages import MOST_EVENT, InvocationResult


@implementer(IInvoker)
class ThreadsInvoker:
    """`module` has the functions, `threads` is how many run at once. What cannot be ended runs on in its thread."""

    def __init__(self, reactor, module, threads):
        self._reactor, self._module = reactor, module
        self._pool = ThreadPool(0, threads, "functions")
        self._pool.start()
        self._stopped = False
        self._waiting = set()

    def invoke(self, invocation):
        """The result, by the deadline; every failure before that is one of `lambdaproxy.errors`."""
        if self._stopped:
            return fail(Unavailable("the threads are stopping", label="stopping"))
        function = getattr(self._module, invocation.function.name, None)
        if not callable(function) or invocation.function.name.startswith("_"):
            return fail(UnknownFunction(f"{self._module.__name__} has no function {invocation.function.name}"))
        if len(invocation.payload) > MOST_EVENT:
            return fail(EventTooLarge(f"an event of {len(invocation.payload)} bytes"))
        if invocation.mode == "dry-run":
            return succeed(InvocationResult(b""))
        if invocation.mode == "event":
            self._pool.callInThread(_run, function, invocation.payload)
            return succeed(InvocationResult(b""))
        return self._wait(function, invocation)

    def _wait(self, function, invocation):
        # Whoever waits is told once: by the function, by the deadline, or by himself, when he cancels.
        waiting = Deferred(lambda cancelled: end(Failure(CancelledError())))
        left = max(0.0, invocation.deadline - self._reactor.seconds())
        late = self._reactor.callLater(
            left, lambda: end(Failure(InvokeTimeout("no result by the deadline; the function runs on in its thread")))
        )

        def end(outcome):
            if end in self._waiting:
                self._waiting.remove(end)
                if late.active():
                    late.cancel()
                waiting.callback(outcome)

        def work():
            result = _run(function, invocation.payload)
            self._reactor.callFromThread(end, result)

        self._waiting.add(end)
        self._pool.callInThread(work)
        return waiting

    def ready(self):
        """A sentence, if invocations cannot be expected to work."""
        return "the threads are stopping" if self._stopped else None

    def stop(self):
        """No invocation follows. Functions that run are not waited for: a thread cannot be ended."""
        if not self._stopped:
            self._stopped = True
            for end in list(self._waiting):
                end(Failure(Unavailable("stopping; the function runs on in its thread", label="stopped")))
            # It waits for what runs, and nobody waits for it.
            Thread(target=self._pool.stop, daemon=True).start()
        return succeed(None)


def _run(function, payload):
    """What a function says to an event: a function that fails is a result, as it is on Lambda."""
    try:
        return InvocationResult(json.dumps(function(json.loads(payload))).encode())
    except Exception as error:
        document = {"errorType": type(error).__name__, "errorMessage": str(error)}
        return InvocationResult(json.dumps(document).encode(), function_error="Unhandled")
