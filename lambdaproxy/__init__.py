"""The front door to AWS Lambda that you run yourself.

The way of a request, module by module:

1. `web.channel` reads the bytes with the strict grammar of `http1`; `web.forwarded` says who the client is.
2. `routing` finds the route and its path parameters, `selection` the function; `proxy.admit` decides.
3. `proxy.handle` asks the route's codec (`codecs`) for the event that an AWS front door would have made,
4. has an invoker run it (`aws` over HTTPS, or `runtime`, the embedded Lambda, in a worker process),
5. and lets the codec make of the result the HTTP response that the front door would have made.

`templates` reads functions and routes out of the templates of SAM, CloudFormation and the CDK.
`messages`, `interfaces` and `errors` are the words that everybody speaks. `config` holds every setting once; `tap`
and `start` start and stop it all under twistd; `watch` counts and logs; `base` is what all of it stands on.
"""

__version__ = "0.2.0"
