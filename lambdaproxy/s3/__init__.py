"""Bodies that are too large for an event, by way of S3.

`bucket` asks S3, one `attempt` at a time; `upload` sends a body in parts as it comes and cleans up behind itself,
`receiving` decides whether a body is large at all; `objects` gives an object to a client, with ranges. `claim` is what
a route has of all that, `stores` what makes it ready to serve.
"""
