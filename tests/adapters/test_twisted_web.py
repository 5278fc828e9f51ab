"""A twisted.web resource behind every front door; its reactor runs in a thread, so each test is a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

PRELUDE = """
import json
from twisted.internet import defer
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from lambdaproxy.adapters import twisted_web
from lambdaproxy.messages import InvocationResult, Match
from tests.codecs.dialects import CODECS, event, fields, request

class Context:
    def __init__(self, milliseconds):
        self.milliseconds = milliseconds
    def get_remaining_time_in_millis(self):
        return self.milliseconds

def through(handler, name, message, context=None):
    codec = CODECS[name]
    given = json.loads(codec.encode_request(message, Match()))
    result = handler(given, context)
    return codec.decode_result(InvocationResult(json.dumps(result).encode()), message, Match())

def later(seconds, call, *args):
    from twisted.internet import reactor
    reactor.callLater(seconds, call, *args)

class Leaf(Resource):
    isLeaf = True
"""

TESTS = {
    "at once": """
class Echo(Leaf):
    def render_POST(self, request):
        request.setResponseCode(201)
        request.setHeader(b"content-type", b"text/plain")
        request.addCookie(b"a", b"b")
        request.addCookie(b"c", b"d")
        client = request.getClientAddress().host
        return b"|".join([request.path, request.uri, request.args[b"x"][0], request.getCookie(b"k"), client.encode(),
                          request.getHeader("x-two").encode(), b"%d" % request.isSecure(), request.content.read()])

handler = twisted_web.handler(Echo())
asked = request("POST", b"/a%20b?x=1", [(b"Cookie", b"k=v"), (b"X-Two", b"2"), (b"Content-Type", b"text/plain")],
                b"body", client="2001:db8::1")
for name in CODECS:
    response = through(handler, name, asked)
    assert response.status == 201, response
    assert response.body == b"/a%20b|/a%20b?x=1|1|v|2001:db8::1|2|1|body", response
    assert fields(response)["set-cookie"] == ["a=b", "c=d"], response
    assert not {"x-amzn-remapped-server", "x-amzn-remapped-date"} & fields(response).keys(), response
""",
    "not done yet": """
class Later(Leaf):
    def render_GET(self, request):
        later(0.01, request.write, b"first ")
        later(0.02, request.write, b"\\xff")
        later(0.03, request.finish)
        return NOT_DONE_YET

response = through(twisted_web.handler(Later()), "function-url", request())
assert (response.status, response.body) == (200, b"first \\xff"), response
""",
    "head and no body": """
class Quiet(Leaf):
    def render_GET(self, request):
        if request.path == b"/304":
            request.setResponseCode(304)
        request.setHeader(b"content-type", b"text/plain")
        return b"hello"

handler = twisted_web.handler(Quiet())
assert through(handler, "alb", request("HEAD")).body == b""
assert through(handler, "alb", request(target=b"/304")).status == 304
""",
    "children and a base path": """
class Child(Leaf):
    def render_GET(self, request):
        return b"child of " + request.path

root = Resource()
root.putChild(b"a", Child())
handler = twisted_web.handler(root, base_path="/v1")
assert through(handler, "alb", request(target=b"/v1/a")).body == b"child of /a"
assert through(handler, "alb", request(target=b"/v1/b")).status == 404
""",
    "a resource that fails": """
class Failing(Leaf):
    def render_GET(self, request):
        raise KeyError("a secret")

response = through(twisted_web.handler(Failing()), "alb", request())
assert response.status == 500, response
assert b"secret" not in response.body, response
""",
    "out of time": """
lost = []
class Never(Leaf):
    def render_GET(self, request):
        request.notifyFinish().addErrback(lost.append)
        return NOT_DONE_YET

handler = twisted_web.handler(Never())
try:
    through(handler, "alb", request(), Context(300))
except TimeoutError as error:
    assert "within the invocation's time" in str(error)
else:
    raise AssertionError("it answered")
class Fine(Leaf):
    def render_GET(self, request):
        return b"fine"
# The reactor is one thing further, and knows that nobody waits.
assert through(twisted_web.handler(Fine()), "alb", request(), Context(5000)).body == b"fine"
assert len(lost) == 1, lost
""",
    "producers": """
class Push:
    def __init__(self, request):
        self.request = request
        self.left = 3
    def resumeProducing(self):
        if self.left:
            self.left -= 1
            self.request.write(b"x")
        else:
            self.request.unregisterProducer()
            self.request.finish()
    def stopProducing(self):
        pass

class Pulled(Leaf):
    def render_GET(self, request):
        request.registerProducer(Push(request), False)
        return NOT_DONE_YET

assert through(twisted_web.handler(Pulled()), "alb", request()).body == b"xxx"
""",
    "a connection that the application closes": """
class Closing(Leaf):
    def render_GET(self, request):
        request.loseConnection()
        return NOT_DONE_YET

from twisted.internet.error import ConnectionLost
try:
    through(twisted_web.handler(Closing()), "alb", request())
except ConnectionLost:
    pass
else:
    raise AssertionError("it answered")
""",
    "a Klein application": """
try:
    from klein import Klein
except ImportError:
    print("done")
    raise SystemExit

app = Klein()

@app.route("/users/<name>", methods=["POST"])
async def user(request, name):
    await defer.succeed(None)
    request.setHeader("content-type", "text/plain")
    return name.encode() + b" " + request.content.read()

handler = twisted_web.handler(app.resource())
asked = request("POST", b"/users/ann%20b", [(b"Content-Type", b"text/plain")], b"hello")
for name in CODECS:
    response = through(handler, name, asked)
    assert (response.status, response.body) == (200, b"ann b hello"), (name, response)
assert through(handler, "alb", request(target=b"/missing")).status == 404
""",
    "in the reactor's own thread": """
from twisted.internet import reactor

def call():
    try:
        twisted_web.handler(Leaf())(event(CODECS["alb"]), None)
    except RuntimeError as error:
        assert "own thread" in str(error), error
    else:
        raise AssertionError("it waited for itself")
    reactor.stop()

reactor.callWhenRunning(call)
reactor.run()
""",
    "the event and the context": """
class Seen(Leaf):
    def render_GET(self, request):
        return b"%d%d" % (request.aws_event is given, request.aws_context is context)

given, context = event(CODECS["alb"]), Context(5000)
assert twisted_web.handler(Seen())(given, context)["body"] == "11"
""",
}


@pytest.mark.parametrize("name", TESTS)
def test_in_a_process(name):
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + TESTS[name] + "\nprint('done')"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "done\n", done.stderr
