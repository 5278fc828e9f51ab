"""A Flask application that runs by itself, behind lambdaproxy, and behind any AWS front door.

python app.py                                                          # by itself
twistd -n --pidfile= lambdaproxy --local flask=app.py:handler --function flask    # behind lambdaproxy
handler: app.handler                                                   # on AWS Lambda
"""

from flask import Flask, jsonify, make_response, request

from lambdaproxy.adapters import wsgi

app = Flask(__name__)

# A GIF of one transparent pixel: binary bodies need no care.
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")


@app.get("/")
def index():
    return "Hello from Flask\n"


@app.get("/users/<name>")
def user(name):
    return jsonify(name=name, tags=request.args.getlist("tag"), client=request.remote_addr, secure=request.is_secure)


@app.post("/echo")
def echo():
    return request.get_data(), 201, {"Content-Type": request.content_type or "application/octet-stream"}


@app.get("/login")
def login():
    response = make_response("", 204)
    response.set_cookie("session", "abc123")
    response.set_cookie("theme", "dark")
    return response


@app.get("/pixel.gif")
def pixel():
    return PIXEL, {"Content-Type": "image/gif"}


handler = wsgi.handler(app)

if __name__ == "__main__":
    app.run()
