"""`/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from lambdaproxy.watch.metrics import Metrics, exposition
from lambdaproxy.web.admin import AdminResource

ACCEPTS = [
    (b"", False),
    (b"*/*", False),
    (b"text/plain; version=x", False),
    (b"text/plain; version=1.0.0; escaping=allow-utf-8", False),
    (b"text/plain; version=" + b"9" * 5000, False),
    (b"\xff", False),
    (b"application/openmetrics-text\xff", False),
    (b"application/openmetrics-text; q=0", False),
    (b"application/openmetrics-text;q=0.000 , */*", False),
    (b"application/openmetrics-text-x", False),
    (b",;=,;;", False),
    (b"application/openmetrics-text", True),
    (b"Application/OpenMetrics-Text", True),
    (b"text/plain;q=1, application/openmetrics-text ; version=x", True),
    (b"application/openmetrics-text; version=\xff; escaping=\xe9", True),
    (b"application/openmetrics-text; version=1e999", True),
    (b"application/openmetrics-text;q=0.5", True),
]


class AdminTests(SynchronousTestCase):
    def setUp(self):
        self.clock, self.metrics, self.why = Clock(), Metrics(), None
        registry = exposition(self.metrics, process=False)
        self.root = AdminResource(registry, lambda: self.why, self.clock.seconds)

    def get(self, path, root=None, **headers):
        request = DummyRequest([path])
        for name, value in headers.items():
            request.requestHeaders.setRawHeaders(name, [value])
        child = (root or self.root).getChildWithDefault(path, request)
        return request, child.render(request)

    def test_health(self):
        self.assertEqual(self.get(b"healthz")[1], b"ok\n")

    def test_ready_says_why_not_to_operators_only(self):
        self.assertEqual(self.get(b"readyz")[1], b"ok\n")
        self.why = "aws: no credentials"
        request, body = self.get(b"readyz")
        self.assertEqual((request.responseCode, body), (503, b"not ready\n"))
        root = AdminResource(None, lambda: self.why, self.clock.seconds, tell=True)
        self.assertEqual(self.get(b"readyz", root)[1], b"aws: no credentials\n")

    def test_metrics_are_rendered_at_most_once_a_second(self):
        cell = self.metrics.counter("a_total", "A.").cell()
        cell.inc()
        self.assertIn(b"a_total 1.0", self.get(b"metrics")[1])
        cell.inc()
        self.assertIn(b"a_total 1.0", self.get(b"metrics")[1])
        self.clock.advance(1)
        self.assertIn(b"a_total 2.0", self.get(b"metrics")[1])

    def test_the_scraper_chooses_the_format(self):
        request, body = self.get(b"metrics", accept="application/openmetrics-text; version=1.0.0")
        content_type = request.responseHeaders.getRawHeaders("content-type")[0]
        self.assertTrue(content_type.startswith("application/openmetrics-text"))
        self.assertTrue(body.endswith(b"# EOF\n"))

    def test_nothing_that_a_scraper_accepts_raises_or_makes_a_text_of_its_own(self):
        rendered = []

        def read():
            rendered.append(1)
            return 1.0

        self.metrics.read_gauge("seen", "How often.", read)
        registry = exposition(self.metrics, process=False)
        self.root = AdminResource(registry, lambda: None, self.clock.seconds)
        for accept, openmetrics in ACCEPTS:
            with self.subTest(accept=accept):
                request, body = self.get(b"metrics", accept=accept)
                content_type = request.responseHeaders.getRawHeaders("content-type")[0]
                self.assertEqual(content_type.startswith("application/openmetrics-text; version=1.0.0"), openmetrics)
                self.assertEqual(content_type.startswith("text/plain; version=0.0.4"), not openmetrics)
                self.assertEqual(body.endswith(b"# EOF\n"), openmetrics)
        for number in range(1000):
            self.get(b"metrics", accept=b"application/openmetrics-text; version=1.%d.0" % number)
            self.get(b"metrics", accept=b"text/plain; version=%d.0.0; escaping=%d" % (number, number))
        self.assertEqual(len(rendered), 2)

    def test_metrics_can_be_disabled(self):
        root = AdminResource(None, lambda: None, self.clock.seconds)
        self.assertEqual(self.get(b"metrics", root)[0].responseCode, 404)
        self.assertFalse(root.serves("GET", b"/metrics"))
        self.assertTrue(root.serves("GET", b"/healthz"))

    def test_what_is_ours(self):
        for method, target, ours in [
            ("GET", b"/metrics", True),
            ("HEAD", b"/metrics?x=1", True),
            ("POST", b"/metrics", False),
            ("GET", b"/metrics/", False),
            ("GET", b"//metrics", False),
            ("GET", b"/", False),
            ("OPTIONS", b"*", False),
        ]:
            self.assertIs(self.root.serves(method, target), ours, target)
