"""`/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.base.ids import new_ids
from lambdaproxy.http1.head import RequestHead
from lambdaproxy.watch.metrics import Metrics, exposition
from lambdaproxy.web.admin import AdminPages
from lambdaproxy.web.forwarded import Origin
from lambdaproxy.web.heads import make_head

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
        self.root = AdminPages(registry, lambda: self.why, self.clock.seconds)

    def get(self, path, root=None, *accept):
        headers = tuple((b"Accept", value) for value in accept)
        asked = RequestHead("GET", b"/" + path, "HTTP/1.1", headers, "h", 0, False, False, traced=True)
        origin = Origin("http", "h", 80, "127.0.0.1")
        return (root or self.root).page(make_head(asked, origin, None, new_ids(0.0), 0.0))

    def test_health(self):
        self.assertEqual(self.get(b"healthz").body, b"ok\n")

    def test_ready_says_why_not_to_operators_only(self):
        self.assertEqual(self.get(b"readyz").body, b"ok\n")
        self.why = "aws: no credentials"
        page = self.get(b"readyz")
        self.assertEqual((page.status, page.body), (503, b"not ready\n"))
        root = AdminPages(None, lambda: self.why, self.clock.seconds, tell=True)
        self.assertEqual(self.get(b"readyz", root).body, b"aws: no credentials\n")

    def test_metrics_are_rendered_at_most_once_a_second(self):
        cell = self.metrics.counter("a_total", "A.").cell()
        cell.inc()
        self.assertIn(b"a_total 1.0", self.get(b"metrics").body)
        cell.inc()
        self.assertIn(b"a_total 1.0", self.get(b"metrics").body)
        self.clock.advance(1)
        self.assertIn(b"a_total 2.0", self.get(b"metrics").body)

    def test_the_scraper_chooses_the_format(self):
        page = self.get(b"metrics", None, b"application/openmetrics-text; version=1.0.0")
        self.assertTrue(page.headers[0][1].startswith(b"application/openmetrics-text"))
        self.assertTrue(page.body.endswith(b"# EOF\n"))

    def test_nothing_that_a_scraper_accepts_raises_or_makes_a_text_of_its_own(self):
        rendered = []

        def read():
            rendered.append(1)
            return 1.0

        self.metrics.read_gauge("seen", "How often.", read)
        registry = exposition(self.metrics, process=False)
        self.root = AdminPages(registry, lambda: None, self.clock.seconds)
        for accept, openmetrics in ACCEPTS:
            with self.subTest(accept=accept):
                page = self.get(b"metrics", None, accept)
                content_type = page.headers[0][1]
                self.assertEqual(content_type.startswith(b"application/openmetrics-text; version=1.0.0"), openmetrics)
                self.assertEqual(content_type.startswith(b"text/plain; version=0.0.4"), not openmetrics)
                self.assertEqual(page.body.endswith(b"# EOF\n"), openmetrics)
        for number in range(1000):
            self.get(b"metrics", None, b"application/openmetrics-text; version=1.%d.0" % number)
            self.get(b"metrics", None, b"text/plain; version=%d.0.0; escaping=%d" % (number, number))
        self.assertEqual(len(rendered), 2)

    def test_metrics_can_be_disabled(self):
        root = AdminPages(None, lambda: None, self.clock.seconds)
        self.assertIsNone(self.get(b"metrics", root))
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
