"""What the claim checks of routes share: the buckets, the ledger of held bytes, and whoever cleans up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lambdaproxy.messages import Response

if TYPE_CHECKING:
    from lambdaproxy.base.held import Ledger
    from lambdaproxy.s3.bucket import Bucket
    from lambdaproxy.s3.share import Share
    from lambdaproxy.s3.upload import Cleaner
    from lambdaproxy.watch.metrics import Metrics


class Counts:
    """What is counted of large bodies, by route."""

    def __init__(self, metrics: Metrics) -> None:
        self._uploads = metrics.counter(
            "lambdaproxy_claim_uploads_total",
            "Request bodies that went to S3: ok, failed, abandoned.",
            ("route", "outcome"),
        )
        self._downloads = metrics.counter(
            "lambdaproxy_claim_downloads_total", "Answers that are objects of S3, by status.", ("route", "status")
        )
        self._bytes = metrics.counter("lambdaproxy_claim_upload_bytes_total", "Bytes of such bodies.", ("route",))
        self._cleanings = metrics.counter(
            "lambdaproxy_claim_cleanups_total",
            "Uploads and objects that were taken away again: ok, failed.",
            ("outcome",),
        )
        self.now = metrics.gauge("lambdaproxy_claim_uploads", "Request bodies on their way to S3.").cell()

    def uploaded(self, route: str, outcome: str, size: int) -> None:
        self.now.inc(-1)
        self._uploads.cell(route, outcome).inc()
        self._bytes.cell(route).inc(size)

    def sends(self, route: str, response: Response) -> None:
        self._downloads.cell(route, str(response.status)).inc()

    def cleaned(self, outcome: str) -> None:
        self._cleanings.cell(outcome).inc()


class Store:
    """What one claim check works with: its bucket, and by `of` those of its results."""

    def __init__(
        self,
        bucket: Bucket,
        of: Callable[[str], Bucket],
        bodies: Ledger,
        parts: Share,
        cleaner: Cleaner,
        counts: Counts,
        now: Callable[[], float],
    ) -> None:
        #: Where bodies are counted while they may still be small, and parts while they are in memory.
        self.bodies, self.parts = bodies, parts
        self.bucket, self.of, self.cleaner, self.counts, self.now = bucket, of, cleaner, counts, now

    def drop(self, key: str) -> None:
        """Take away an object that nobody knows of."""
        bucket = self.bucket
        self.cleaner.run(self.cleaner.up("object", bucket.name, key, lambda: bucket.delete(key)))
