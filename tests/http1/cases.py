"""Requests that are right, wrong or dangerous, shared by the tests of the grammar and of the channel.

`GOOD` rows are (name, bytes, requests); each request is (method, target, body). `BAD` rows are (name, bytes, status,
reason): the whole message is refused and nothing after it may be processed.
"""

H = b"Host: a.example\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\n" + H + b"\r\n"


def get(fields=b"", target=b"/", method=b"GET", version=b"HTTP/1.1", host=H):
    return method + b" " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b"", version=b"HTTP/1.1"):
    return get(fields, method=b"POST", version=version) + body


GOOD = [
    ("plain", get(), [("GET", b"/", b"")]),
    ("query", get(target=b"/a+b?c=%26&&=&b#".rstrip(b"#")), [("GET", b"/a+b?c=%26&&=&b", b"")]),
    ("odd target", get(target=b'//a/..%2f/"<>{}|\\^`?x=%zz'), [("GET", b'//a/..%2f/"<>{}|\\^`?x=%zz', b"")]),
    ("star", get(target=b"*", method=b"OPTIONS"), [("OPTIONS", b"*", b"")]),
    ("absolute", get(target=b"http://A.example:80/x?y"), [("GET", b"/x?y", b"")]),
    ("absolute, no path", get(target=b"HTTPS://a.example?y", host=b"Host: a.example:443\r\n"), [("GET", b"/?y", b"")]),
    ("absolute options", get(target=b"http://a.example", method=b"OPTIONS"), [("OPTIONS", b"*", b"")]),
    ("lower-case method", get(method=b"get"), [("get", b"/", b"")]),
    ("odd method", get(method=b"M!#$%&'*+-.^_`|~9"), [("M!#$%&'*+-.^_`|~9", b"/", b"")]),
    ("odd name", get(b"!#$%&'*+-.^`|~9: v\r\n"), [("GET", b"/", b"")]),
    ("values", get(b"A:\r\nB: a:b:c\r\nC:\t x \t\r\nD: caf\xe9 \xe2\x82\xac\r\nA: again\r\n"), [("GET", b"/", b"")]),
    ("ipv6", get(host=b"Host: [::1]:8011\r\n"), [("GET", b"/", b"")]),
    ("empty port", get(host=b"Host: a:\r\n"), [("GET", b"/", b"")]),
    ("root's label", get(host=b"Host: a.example.:80\r\n"), [("GET", b"/", b"")]),
    ("http/1.0", get(version=b"HTTP/1.0", host=b""), [("GET", b"/", b"")]),
    ("http/1.0 expect", post(b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"hi", b"HTTP/1.0"),
     [("POST", b"/", b"hi")]),
    ("length", post(b"Content-Length: 5\r\n", b"hello"), [("POST", b"/", b"hello")]),
    ("length zero", post(b"content-length:0\r\n"), [("POST", b"/", b"")]),
    ("length with spaces", post(b"Content-Length: \t5 \t\r\n", b"hello"), [("POST", b"/", b"hello")]),
    ("length with zeros", post(b"Content-Length: 005\r\n", b"hello"), [("POST", b"/", b"hello")]),
    ("no length", post(b""), [("POST", b"/", b"")]),
    ("get with a body", get(b"Content-Length: 5\r\n") + b"hello", [("GET", b"/", b"hello")]),
    ("hidden in a body", get(b"Content-Length: %d\r\n" % len(NEXT)) + NEXT, [("GET", b"/", NEXT)]),
    ("chunked", post(CHUNKED, HELLO), [("POST", b"/", b"hello")]),
    ("chunked, shouted", post(b"TRANSFER-ENCODING: \tCHUNKED \r\n", HELLO), [("POST", b"/", b"hello")]),
    ("chunk cases", post(CHUNKED, b"A\r\nhelloworld\r\na\r\nhelloworld\r\n000\r\n\r\n"),
     [("POST", b"/", b"helloworld" * 2)]),
    ("extensions", post(CHUNKED, b'5;a=b;c="d \\" e" ; f\r\nhello\r\n0;z\r\n\r\n'), [("POST", b"/", b"hello")]),
    ("trailers", post(CHUNKED, b"5\r\nhello\r\n0\r\nX-T: y\r\nContent-Length: 99\r\n\r\n"), [("POST", b"/", b"hello")]),
    ("one-byte chunks", post(CHUNKED, b"1\r\nx\r\n" * 50 + b"0\r\n\r\n"), [("POST", b"/", b"x" * 50)]),
    ("hidden in a chunk", post(CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(NEXT), NEXT)), [("POST", b"/", NEXT)]),
    ("not the coding", post(b"X-Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"),
     [("POST", b"/", b"hello")]),
    ("empty line before", b"\r\n" + get(), [("GET", b"/", b"")]),
    ("pipelined", get() + post(CHUNKED, HELLO) + get(target=b"/2"),
     [("GET", b"/", b""), ("POST", b"/", b"hello"), ("GET", b"/2", b"")]),
    ("te", get(b"TE: trailers\r\n"), [("GET", b"/", b"")]),
    ("upgrade", get(b"Connection: Upgrade\r\nUpgrade: h2c\r\n"), [("GET", b"/", b"")]),
    ("override", get(b"X-HTTP-Method-Override: DELETE\r\n"), [("GET", b"/", b"")]),
]  # fmt: skip

BAD = [
    # the request line
    *[
        (f"line {line!r}", line + b"\r\n" + H + b"\r\n", status, reason)
        for line, status, reason in [
            (b"GET\t/\tHTTP/1.1", 400, "request-line"),
            (b"GET  / HTTP/1.1", 400, "request-line"),
            (b"GET /  HTTP/1.1", 400, "request-line"),
            (b" GET / HTTP/1.1", 400, "request-line"),
            (b"GET / HTTP/1.1 ", 400, "request-line"),
            (b"GET\x0b/ HTTP/1.1", 400, "request-line"),
            (b"GET /", 400, "request-line"),
            (b"GET HTTP/1.1", 400, "request-line"),
            (b"GET /a b HTTP/1.1", 400, "request-line"),
            (b" / HTTP/1.1", 400, "request-line"),
            (b"GE:T / HTTP/1.1", 400, "request-line"),
            (b"GE\x00T / HTTP/1.1", 400, "request-line"),
            (b"G/T / HTTP/1.1", 400, "request-line"),
            (b"G\xc3\x89T / HTTP/1.1", 400, "request-line"),
            (b"GET() / HTTP/1.1", 400, "request-line"),
            (b"", 400, "request-line"),
            (b"GET / HTTP/0.9", 505, "version"),
            (b"GET / HTTP/1.2", 505, "version"),
            (b"GET / HTTP/2.0", 505, "version"),
            (b"PRI * HTTP/2.0", 505, "version"),
            (b"GET / HTTP/1.10", 400, "version"),
            (b"GET / HTTP/01.1", 400, "version"),
            (b"GET / HTTP/1,1", 400, "version"),
            (b"GET / http/1.1", 400, "version"),
            (b"GET / HTTP/1.1\x00", 400, "version"),
            (b"GET / XHTTP/1.1", 400, "version"),
            (b"GET /\rX HTTP/1.1", 400, "target"),
            (b"GET /\nX HTTP/1.1", 400, "line-end"),
            (b"GET /\x00 HTTP/1.1", 400, "target"),
            (b"GET /\x7f HTTP/1.1", 400, "target"),
            (b"GET /\x80 HTTP/1.1", 400, "target"),
            (b"GET /\xc3\xa9 HTTP/1.1", 400, "target"),
            (b"GET /a#b HTTP/1.1", 400, "target"),
            (b"GET * HTTP/1.1", 400, "target"),
            (b"GET foo HTTP/1.1", 400, "target"),
            (b"GET ?a HTTP/1.1", 400, "target"),
            (b"GET \\a HTTP/1.1", 400, "target"),
            (b"GET a.example:80 HTTP/1.1", 400, "target"),
            (b"GET ftp://a.example/ HTTP/1.1", 400, "target"),
            (b"GET http:///x HTTP/1.1", 400, "target"),
            (b"GET http://u:p@a.example/ HTTP/1.1", 400, "host"),
            (b"GET http://b.example/ HTTP/1.1", 421, "host"),
            (b"GET /" + b"a" * 8192 + b" HTTP/1.1", 414, "target"),
            (b"GET /" + b"a" * 20000 + b" HTTP/1.1", 414, "line"),
            (b"A" * 65 + b" / HTTP/1.1", 501, "method"),
            (b"CONNECT a.example:443 HTTP/1.1", 405, "method"),
            (b"CONNECT / HTTP/1.1", 405, "method"),
            (b"TRACE / HTTP/1.1", 405, "method"),
        ]
    ],
    # fields
    *[
        (f"field {field!r}", get(field), status, reason)
        for field, status, reason in [
            (b"Foo bar\r\n", 400, "field-name"),
            (b": v\r\n", 400, "field-name"),
            (b"Foo Bar: v\r\n", 400, "field-name"),
            (b"Foo : v\r\n", 400, "field-name"),
            (b"Foo\t: v\r\n", 400, "field-name"),
            (b"F\x00o: v\r\n", 400, "field-name"),
            (b"F\xc3\xb6o: v\r\n", 400, "field-name"),
            (b"F(o): v\r\n", 400, "field-name"),
            (b"F@o: v\r\n", 400, "field-name"),
            (b"Foo: a\x00b\r\n", 400, "field-value"),
            (b"Foo: a\x01b\r\n", 400, "field-value"),
            (b"Foo: \x1b[31m\r\n", 400, "field-value"),
            (b"Foo: a\x7fb\r\n", 400, "field-value"),
            (b"Foo: a\rb\r\n", 400, "field-value"),
            (b"Foo: a\r\r\n", 400, "field-value"),
            (b"Foo: a\nb\r\n", 400, "line-end"),
            (b"Foo: a\n\n" + NEXT, 400, "line-end"),
            (b"Foo: a\r\n b\r\n", 400, "fold"),
            (b"Foo: a\r\n\tb\r\n", 400, "fold"),
            (b"Foo: a\r\n \r\n", 400, "fold"),
            (b"X_Forwarded_For: 1.2.3.4\r\n", 400, "field-name"),
            (b"Content_Length: 5\r\n", 400, "field-name"),
            (b"Transfer_Encoding: chunked\r\n", 400, "field-name"),
            (b"Transfer--Encoding: chunked\r\n", 400, "field-name"),
            (b"Transfer-Encoding\x00: chunked\r\n", 400, "field-name"),
            (b"Connection: a b\r\n", 400, "connection"),
            (b'Connection: "close"\r\n', 400, "connection"),
            (b"Expect: 200-ok\r\n", 417, "expect"),
            (b"Expect: y 100-continue\r\n", 417, "expect"),
            (b"Expect: 100-continue\r\nExpect: 100-continue\r\n", 417, "expect"),
            (b"".join(b"X-%d: y\r\n" % i for i in range(100)), 431, "fields"),
            (b"X: " + b"a" * 16400 + b"\r\n", 431, "section"),
            (b"X: aaaaaaaaaaaaaaa\r\n" * 90 + (b"Y: " + b"a" * 8000 + b"\r\n") * 2, 431, "section"),
        ]
    ],
    ("fold first", b"GET / HTTP/1.1\r\n X: y\r\n" + H + b"\r\n", 400, "fold"),
    ("bare LF", get().replace(b"\r\n", b"\n"), 400, "line-end"),
    ("bare CR", get().replace(b"\r\n", b"\r") + NEXT, 400, "request-line"),
    ("ends in LF", get()[:-2] + b"\n", 400, "line-end"),
    ("LFCR", get().replace(b"\r\n", b"\n\r"), 400, "line-end"),
    ("five empty lines", b"\r\n" * 5 + get(), 400, "request-line"),
    ("LF before", b"\n" + get(), 400, "line-end"),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "request-line"),
    # the host
    *[
        (f"host {host!r}", get(host=host), 400, "host")
        for host in [
            b"",
            H + H,
            H + b"host: evil.example\r\n",
            b"Host:\r\n",
            b"Host: a, b\r\n",
            b"Host: a,b\r\n",
            b"Host: a b\r\n",
            b"Host: a/b\r\n",
            b"Host: u@a\r\n",
            b"Host: a:8o\r\n",
            b"Host: a:99999\r\n",
            b"Host: a:999999\r\n",
            b'Host: "a"\r\n',
            b"Host: <script>\r\n",
            b"Host: a#b\r\n",
            b"Host: a?b\r\n",
            b"Host: a\\b\r\n",
            b"Host: a%2eb\r\n",
            b"Host: a.example..\r\n",
            b"Host: a..example\r\n",
            b"Host: .a.example\r\n",
            b"Host: .\r\n",
            b"Host: \xc3\xa9.example\r\n",
            b"Host: [::1\r\n",
            b"Host: [::1]x\r\n",
            b"Host: [:::::]\r\n",
            b"Host: [fe80::1%25eth0]\r\n",
            b"Host: " + b"a" * 256 + b"\r\n",
        ]
    ],
    # lengths
    *[
        (f"length {value!r}", post(b"Content-Length: " + value + b"\r\n", b"hello"), 400, reason)
        for value, reason in [
            *[
                (value, "content-length")
                for value in b"|+5|-5|-0|0x5|a|5.0|5e0|1_0|5, 5|5, 6|5,5|5 5|5;|\"5\"|\xa05"
                b"|\xd9\xa5|\xb2|five".split(b"|")
            ],
            (b"18446744073709551621", "content-length"),
            (b"9223372036854775808", "content-length"),
            (b"9" * 5000, "content-length"),
            (b"5\x00", "field-value"),
            (b"5\x0b", "field-value"),
            (b"\x0c5", "field-value"),
            (b"5\r\nContent-Length: 6", "content-length"),
            (b"5\r\nContent-Length: 5", "content-length"),
            (b"\r\n 5", "fold"),
        ]
    ],
    ("length, space before colon", post(b"Content-Length : 5\r\n", b"hello"), 400, "field-name"),
    # transfer codings
    *[
        (f"coding {value!r}", post(b"Transfer-Encoding: " + value + b"\r\n", HELLO), status, "transfer-encoding")
        for value, status in [
            *[
                (value, 400)
                for value in (
                    b"|xchunked|chunked, cow|chunked, gzip|chunked, chunked|chunked, identity|identity|deflate|true"
                    b"|\"chunked\"|chunked;q=1|chunked;|\xa0chunked|\x85chunked|\xef\xbd\x83hunked|chunked chunked"
                    b"|chunked\r\nTransfer-Encoding: chunked|chunked\r\nTransfer-Encoding: cow"
                ).split(b"|")
            ],
            (b"'chunked'", 400),
            (b", chunked", 501),
            (b"chunked,", 501),
            (b"gzip, chunked", 501),
            (b"identity\r\nTransfer-Encoding: chunked", 501),
            (b"chunked\r\nContent-Length: 5", 400),
            (b"identity\r\nContent-Length: 5", 400),
            (b"\r\nContent-Length: 5", 400),
        ]
    ],
    *[
        (f"coding {value!r}", post(b"Transfer-Encoding: " + value + b"\r\n", HELLO), 400, "field-value")
        for value in (b"\x0bchunked", b"chun\x00ked", b"chunked\x7f", b"chunked\x08")
    ],
    ("coding after length", post(b"Content-Length: 15\r\n" + CHUNKED, HELLO), 400, "transfer-encoding"),
    ("coding in 1.0", post(CHUNKED, HELLO, b"HTTP/1.0"), 400, "transfer-encoding"),
    ("coding folded", post(b"Transfer-Encoding:\r\n chunked\r\n", HELLO), 400, "fold"),
    ("coding hidden in a fold", post(b"X: b\r\n Transfer-Encoding: chunked\r\n", HELLO), 400, "fold"),
    ("coding after LF", post(b"X: b\nTransfer-Encoding: chunked\r\n", HELLO), 400, "line-end"),
    ("coding after CR", post(b"X: b\rTransfer-Encoding: chunked\r\n", HELLO), 400, "field-value"),
    # chunks
    *[
        (f"chunk {chunks[:30]!r}", post(CHUNKED, chunks), 400, reason)
        for reason, rows in {
            "chunk": [
                b"0x5\r\nhello\r\n0\r\n\r\n",
                b"+5\r\nhello\r\n0\r\n\r\n",
                b"-1\r\nhello\r\n0\r\n\r\n",
                b"5\r\nhello\r\n-0\r\n\r\n",
                b" 5\r\nhello\r\n0\r\n\r\n",
                b"5 \r\nhello\r\n0\r\n\r\n",
                b"5\t\r\nhello\r\n0\r\n\r\n",
                b"0_5\r\nhello\r\n0\r\n\r\n",
                b"g\r\nhello\r\n0\r\n\r\n",
                b"\r\nhello\r\n0\r\n\r\n",
                b";a=b\r\nhello\r\n0\r\n\r\n",
                b"5\x00\r\nhello\r\n0\r\n\r\n",
                b"5,\r\nhello\r\n0\r\n\r\n",
                b"5.\r\nhello\r\n0\r\n\r\n",
                b"5\nhello\r\n0\r\n\r\n",
                b"5\rhello\r\n0\r\n\r\n",
                b"5\r\r\nhello\r\n0\r\n\r\n",
                b"5\r\nhello\n0\r\n\r\n",
                b"5\r\nhello0\r\n\r\n",
                b"5\r\nhelloXX0\r\n\r\n",
                b"5\r\nhelloworld\r\n0\r\n\r\n",
                b"5\r\nhello\r\n0\n\n",
                b"5\r\nhello\r\n0\n\r\n",
                b"5;a\nb\r\nhello\r\n0\r\n\r\n",
                b"5;a\rb\r\nhello\r\n0\r\n\r\n",
                b"5;a\x00\r\nhello\r\n0\r\n\r\n",
                b"5;\x01\r\nhello\r\n0\r\n\r\n",
                b"5;\r\nhello\r\n0\r\n\r\n",
                b'5;a="b\r\nhello\r\n0\r\n\r\n',
                b"10000000000000005\r\nhello\r\n0\r\n\r\n",
                b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n",
                b"0" * 2000 + b"5\r\nhello\r\n0\r\n\r\n",
                b"5;" + b"a" * 65536 + b"\r\nhello\r\n0\r\n\r\n",
                b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n",
                b"2;\nxx\r\n%x\r\n0\r\n\r\n%b\r\n0\r\n\r\n" % (len(NEXT) + 5, NEXT),
                b"5\r\nAAAAAXX%x\r\n%b\r\n0\r\n\r\n" % (len(NEXT), NEXT),
            ],
            "line-end": [b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\r\nX: y\n\n" + NEXT],
            "field-name": [b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n"],
            "field-value": [b"5\r\nhello\r\n0\r\nX: y\x00\r\n\r\n"],
            "fold": [b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"],
        }.items()
        for chunks in rows
    ],
    *[
        (f"chunk {chunks[:30]!r}", post(CHUNKED, chunks), status, reason)
        for chunks, status, reason in [
            (b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", 413, "body"),
            (b"100000005\r\nhello\r\n0\r\n\r\n", 413, "body"),
            (b"5\r\nhello\r\n0\r\n" + b"X: yyyyyyyyyyyyyyy\r\n" * 10000 + b"\r\n", 431, "fields"),
        ]
    ],
]  # fmt: skip
