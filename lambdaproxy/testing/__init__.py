"""What every format, invoker and authorizer promises, as tests: for ours, and for anybody's plugin.

Subclass a contract with a `TestCase` of `twisted.trial.unittest` and say how to make the thing; pytest and trial both
run it:

    class MyCodecTests(CodecContract, SynchronousTestCase):
        def make(self):
            return MyCodec()
"""

from lambdaproxy.testing.authorizers import AuthorizerContract as AuthorizerContract
from lambdaproxy.testing.codecs import CodecContract as CodecContract
from lambdaproxy.testing.invokers import InvokerContract as InvokerContract
from lambdaproxy.testing.requests import MATCHES as MATCHES
from lambdaproxy.testing.requests import REQUEST as REQUEST
from lambdaproxy.testing.requests import REQUESTS as REQUESTS
