from lambdaproxy.http1.head import parse_response
from lambdaproxy.http1.reasons import REASONS, status_line


def test_status_lines_are_well_formed():
    for status in range(200, 600):
        assert parse_response(status_line(status) + b"\r\n").status == status


def test_reasons_that_twisted_lacks():
    assert status_line(429) == b"HTTP/1.1 429 Too Many Requests\r\n"
    assert status_line(431) == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    assert status_line(599) == b"HTTP/1.1 599 \r\n"
    assert REASONS[421] == b"Misdirected Request"
