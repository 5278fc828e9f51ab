"""What values and those who pass them on know of a body that comes in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IConsumer


class IBody(Interface):
    """A body that comes in pieces: a streamed result on its way to a client."""

    def start(consumer: IConsumer) -> Deferred[None]:
        """Write the body to `consumer`, once; called at most once.

        The body registers itself with `consumer.registerProducer(producer, True)`, honours pause and resume, and
        unregisters before the Deferred fires. The Deferred fires with None after the last byte, or fails with a
        `LambdaProxyError`: then the consumer must abort its connection, so that the client can tell the body is
        cut. Cancelling it means that the reader is gone: nothing more is written.
        """
