"""Wire formats without I/O: Signature Version 4 and the event stream."""
