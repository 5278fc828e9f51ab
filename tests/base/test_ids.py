import os
import re
import uuid

import pytest

from lambdaproxy.base.ids import new_ids


def test_forms():
    seen = set()
    for _ in range(1000):
        request_id, trace_id = new_ids(0x5759E988 + 0.9)
        parsed = uuid.UUID(request_id)
        assert str(parsed) == request_id
        assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)
        assert re.fullmatch("1-5759e988-[0-9a-f]{24}", trace_id)
        seen |= {request_id, trace_id}
    assert len(seen) == 2000


@pytest.mark.slow
def test_a_forked_child_has_ids_of_its_own():
    new_ids(0)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_ids(0)[0].encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    assert theirs != new_ids(0)[0]
