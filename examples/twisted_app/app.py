"""A twisted.web application that runs by itself, behind lambdaproxy, and behind any AWS front door.

    twistd -n --pidfile= web --resource-script=serve.rpy                                    # by itself
    twistd -n --pidfile= lambdaproxy --local tw=app.py:handler --function tw              # behind lambdaproxy
    handler: app.handler                                                       # on AWS Lambda

A Klein application works the same: `handler = twisted_web.handler(app.resource())`.
"""

import json

from twisted.internet import defer
from twisted.web.resource import NoResource, Resource
from twisted.web.server import NOT_DONE_YET

from lambdaproxy.adapters import twisted_web

# A GIF of one transparent pixel: binary bodies need no care.
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")


class Index(Resource):
    """Hello."""

    def render_GET(self, request):
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"Hello from Twisted\n"


class User(Resource):
    """Who was asked for; answers later, as a look-up would."""

    isLeaf = True

    def __init__(self, name):
        super().__init__()
        self.name = name

    def render_GET(self, request):
        from twisted.internet import reactor

        found = defer.Deferred()
        found.addCallback(self.answer, request)
        found.addErrback(request.processingFailed)
        reactor.callLater(0.01, found.callback, None)
        return NOT_DONE_YET

    def answer(self, _, request):
        request.setHeader(b"content-type", b"application/json")
        about = {
            "name": self.name.decode(),
            "tags": [tag.decode() for tag in request.args.get(b"tag", [])],
            "client": request.getClientAddress().host,
            "secure": request.isSecure(),
        }
        request.write(json.dumps(about).encode())
        request.finish()


class Users(Resource):
    """The parent of all users."""

    def getChild(self, name, request):
        return User(name)


class Echo(Resource):
    """Sends back what it gets."""

    def render_POST(self, request):
        request.setResponseCode(201)
        request.setHeader(b"content-type", request.getHeader(b"content-type") or b"application/octet-stream")
        return request.content.read()


class Login(Resource):
    """Sets two cookies."""

    def render_GET(self, request):
        request.setResponseCode(204)
        request.addCookie("session", "abc123", path="/")
        request.addCookie("theme", "dark", path="/")
        return b""


class Pixel(Resource):
    """An image."""

    def render_GET(self, request):
        request.setHeader(b"content-type", b"image/gif")
        return PIXEL


class Root(Resource):
    """Everything else is not found."""

    def getChild(self, name, request):
        return NoResource()


resource = Root()
resource.putChild(b"", Index())
resource.putChild(b"users", Users())
resource.putChild(b"echo", Echo())
resource.putChild(b"login", Login())
resource.putChild(b"pixel.gif", Pixel())

handler = twisted_web.handler(resource)
