"""Bodies that are too large for an event."""
