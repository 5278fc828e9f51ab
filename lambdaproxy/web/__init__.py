"""The listening side: from the bytes of a connection to a `messages.Head`, and a `Response` back to bytes."""
