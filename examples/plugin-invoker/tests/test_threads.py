"""The invoker keeps what lambdaproxy expects of every invoker."""

import time
import types

from lambdaproxy_threads import ThreadsInvoker
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from lambdaproxy.errors import ConfigError
from lambdaproxy.registry import invoker_maker
from lambdaproxy.testing import InvokerContract

FUNCTIONS = types.ModuleType("functions")


def _raises(event):
    raise ValueError("no")


FUNCTIONS.echo = lambda event: event
FUNCTIONS.raises = _raises
FUNCTIONS.slow = lambda event: time.sleep(5)


class ThreadsTests(InvokerContract, TestCase):
    timeout = 60
    reactor = reactor

    def setUp(self):
        self.invoker = ThreadsInvoker(reactor, FUNCTIONS, 5)
        self.addCleanup(self.invoker.stop)

    async def test_what_is_no_function_of_the_module_is_unknown(self):
        for name in ("__name__", "_private"):
            with self.assertRaises(self.unknown):
                await self.call(name)


class MakerTests(TestCase):
    def test_it_is_installed_and_looks_at_its_options(self):
        maker = invoker_maker("threads")
        maker.check({"module": "json", "threads": 10})
        for module in (None, "there_is_none", "."):
            with self.assertRaises(ConfigError):
                maker.check({"module": module, "threads": 10})
