"""The maker of invokers of the kind `threads`. Cheap to import: every start of lambdaproxy does."""

import importlib.util

from zope.interface import implementer

from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IInvokerMaker, Option


def _number(text):
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ValueError(f"{text!r} is no number from 1 to 1000")
    return int(text)


@implementer(IInvokerMaker)
class ThreadsMaker:
    """`[invoker.NAME] kind = "threads"`."""

    name = "threads"
    help = "Functions of a Python module, run in threads of this process"
    options = (
        Option("module", str, None, "The module: each of its functions FUNCTION(event) can be invoked."),
        Option("threads", _number, 10, "How many run at once; others wait."),
    )

    def check(self, options):
        """What would keep `make` from working, found by `lambdaproxy check`, which imports nothing of yours."""
        module = options["module"]
        if not module:
            raise ConfigError('module: name one, as in module = "my_functions"')
        try:
            found = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            found = None
        if found is None:
            raise ConfigError(f"module: there is no module {module!r}; install it where lambdaproxy is")

    def make(self, name, options, context):
        from lambdaproxy_threads import ThreadsInvoker

        return ThreadsInvoker(context.reactor, importlib.import_module(options["module"]), options["threads"])


threads = ThreadsMaker()
