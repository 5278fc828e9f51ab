"""Sans-I/O HTTP/1.1: one strict grammar for the listener, the connection to AWS and the Runtime API."""
