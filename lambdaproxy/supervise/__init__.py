"""Keeps workers running: binds the ports, starts, watches and replaces workers, reloads; serves the control socket.

Nothing here, and nothing that it imports, is more than the standard library: the process stays small, holds no request
and no credentials, and has little that could fail.
"""
