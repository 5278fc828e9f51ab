"""A FastAPI application that runs by itself, behind lambdaproxy, and behind any AWS front door.

uvicorn app:app                                                          # by itself
twistd -n --pidfile= lambdaproxy --local fast=app.py:handler --function fast        # behind lambdaproxy
handler: app.handler                                                     # on AWS Lambda
"""

from contextlib import asynccontextmanager

from fastapi import FastAPI, Query, Request, Response

from lambdaproxy.adapters import asgi

# A GIF of one transparent pixel: binary bodies need no care.
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")


@asynccontextmanager
async def lifespan(app):
    """Runs once, at the first event: the place for connections that all requests share."""
    yield {"greeting": "Hello from FastAPI\n"}


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def index(request: Request):
    return Response(request.state.greeting, media_type="text/plain")


@app.get("/users/{name}")
async def user(name: str, request: Request, tag: list[str] = Query(default=[])):  # noqa: B008
    return {"name": name, "tags": tag, "client": request.client.host, "secure": request.url.scheme == "https"}


@app.post("/echo", status_code=201)
async def echo(request: Request):
    content_type = request.headers.get("content-type", "application/octet-stream")
    return Response(await request.body(), status_code=201, headers={"Content-Type": content_type})


@app.get("/login")
async def login():
    response = Response(status_code=204)
    response.set_cookie("session", "abc123")
    response.set_cookie("theme", "dark")
    return response


@app.get("/pixel.gif")
async def pixel():
    return Response(PIXEL, media_type="image/gif")


handler = asgi.handler(app)
