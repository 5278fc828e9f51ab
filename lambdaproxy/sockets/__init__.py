"""WebSocket connections: frames, one connection, its messages in order, and all of them by their ids."""
