"""What the log says of refused requests, and what it does not."""

from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lambdaproxy.web.limits import Limits
from tests.http1.cases import CHUNKED, get, post
from tests.web.serving import Served


class LogTests(SynchronousTestCase):
    def setUp(self):
        self.lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event):
            if event.get("log_namespace", "").startswith("lambdaproxy.web.refusals"):
                self.lines.append(event["log_format"].format(**event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def test_what_was_asked_by_whom_and_why_not(self):
        Served().exchange(get(b"Foo : bar\r\n", target=b"/a/b?token=secret"))
        self.assertEqual(self.lines, ["Refused GET /a/b of 192.168.1.1: 400 field-name not a name and a colon"])

    def test_no_secrets(self):
        secret = b"secret-canary"
        for data in (
            get(b"Authorization: " + secret + b"\r\nBad Line\r\n"),
            get(b"Cookie: " + secret + b"\x00\r\n"),
            get(target=b"/?q=" + secret, host=b""),
            get(secret + b": x\r\n", version=b"HTTP/1.1", host=b"Host: " + secret + b"/\r\n"),
            post(CHUNKED, secret + b"\r\n"),
            post(b"Content-Length: 0\r\n", secret + b" " + secret + b" HTTP/1.1\r\n\r\n"),
            post(b"Content-Length: 0\r\n", b'{"password": "' + secret + b'"}\r\n\r\n'),
            b"GET / HTTP/1.1\r\n" + secret + b"\n",
        ):
            Served().exchange(data)
            Served().exchange(*(data[at : at + 1] for at in range(len(data))))
        self.assertEqual(len(self.lines), 16)
        self.assertEqual([line for line in self.lines if "canary" in line], [])

    def test_overload_is_one_line_a_second(self):
        served = Served(Limits(connections=16))
        for _ in range(80):
            served.connect()
            served.clock.advance(0.001)
        self.assertEqual(len(self.lines), 1)
        self.assertEqual(served.rejected(), {"connections": 64})

    def test_no_flood(self):
        served = Served()
        for _ in range(100):
            served.exchange(b"nonsense\r\n")
        self.assertEqual(len(self.lines), 10)
        self.assertEqual(served.rejected(), {"request-line": 100})
