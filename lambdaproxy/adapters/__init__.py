"""Applications inside Lambda: WSGI, ASGI and twisted.web behind the events of any front door."""
