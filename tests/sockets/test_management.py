"""The `@connections` API: commands for connections, from SDKs and from any worker."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

pytest.importorskip("wsproto", reason="wsproto is not installed")

from lambdaproxy.base.places import HERE, Place, connection_id, place_of
from lambdaproxy.codecs.management import ManagementCodec
from lambdaproxy.messages import Function, Invocation, InvocationResult
from lambdaproxy.sockets.management import Management
from lambdaproxy.start.relaying import MOST_BYTES, MOST_WAITING, Relay
from tests.codecs.test_management import UUID, command
from tests.processes import Server, until
from tests.sockets.serving import World


def asked(world: World, method: str, connection: str, body: bytes = b"", api: str = "chat") -> tuple[int, Any]:
    """Status and document, all the way but for the listener."""
    codec = ManagementCodec(api, True)
    made, match = command(method, connection, body)
    payload = codec.encode_request(made, match)
    results: list[InvocationResult] = []
    invoker = Management(lambda: world.sockets, None)
    invoker.invoke(Invocation(Function("connections", "chat"), payload, 0.0, UUID, "")).addCallback(results.append)
    response = codec.decode_result(results[0], made, match)
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body) if response.body else None


def test_messages_information_and_the_end() -> None:
    world = World()
    client = world.connect()
    connection = world.function.events[0]["requestContext"]["connectionId"]
    assert asked(world, "POST", connection, '{"é": 1}'.encode()) == (200, None)
    assert client.texts() == ['{"é": 1}']
    status, said = asked(world, "GET", connection)
    assert (status, said["identity"]["sourceIp"]) == (
        200,
        world.function.events[0]["requestContext"]["identity"]["sourceIp"],
    )
    assert said["connectedAt"].endswith("Z")
    assert said.keys() == {"connectedAt", "identity", "lastActiveAt"}
    assert asked(world, "POST", connection, b"x", api="other") == (410, {"message": "Gone"})
    assert asked(world, "DELETE", connection) == (204, None)
    assert client.closed is not None
    client.close()
    for method in ("POST", "GET", "DELETE"):
        assert asked(world, method, connection, b"x") == (410, {"message": "Gone"})


def test_a_message_that_is_too_large() -> None:
    world = World()
    world.connect()
    connection = world.function.events[0]["requestContext"]["connectionId"]
    assert asked(world, "POST", connection, b"x" * 2_000_000)[0] == 413


@pytest.mark.parametrize("connection", ["", "x", "../../x", "TXzPWdnOjoECGjA=", "é" * 40, "A" * 16])
def test_what_is_no_connection_is_gone(connection: str) -> None:
    assert asked(World(), "POST", connection, b"x") == (410, {"message": "Gone"})


class _Line:
    """A pipe to a supervisor that keeps what is said."""

    def __init__(self) -> None:
        self.commands: list[tuple[int, int, Any]] = []
        self.answers: list[tuple[int, Any]] = []

    def command(self, number: int, slot: int, command: Any) -> None:
        self.commands.append((number, slot, command))

    def answer(self, number: int, answer: Any) -> None:
        self.answers.append((number, answer))


def made_line() -> Any:
    return _Line()


class Somewhere:
    place = Place(1, 3)


def test_a_command_goes_to_the_worker_that_the_id_names() -> None:
    line = made_line()
    invoker = Management(lambda: Somewhere, Relay(line, lambda: None))
    found: list[Any] = []

    def ask(place: Place) -> None:
        command = {"api": "chat", "method": "GET", "connectionId": connection_id(UUID, place), "body": ""}
        payload = json.dumps(command).encode()
        waiting: Any = invoker.invoke(Invocation(Function("connections", "chat"), payload, 0.0, UUID, ""))
        waiting.addCallback(lambda result: found.append(json.loads(result.payload)))

    ask(Place(1, 7))
    ask(Place(2, 7))  # another host
    assert [slot for _, slot, _ in line.commands] == [7]
    assert found == [{"status": 410}]
    relay: Any = invoker._relay
    relay.take(line.commands[0][0], {"status": 200})
    relay.take(line.commands[0][0], {"status": 200})  # once only
    assert found == [{"status": 410}, {"status": 200}]
    ask(Place(1, 8))
    relay.alone()
    ask(Place(1, 8))
    assert found[2:] == [{"status": 410}] * 2


@pytest.mark.parametrize("size", [10, MOST_BYTES // 4])
def test_what_waits_for_other_workers_is_bounded(size: int) -> None:
    line = made_line()
    relay = Relay(line, lambda: None)
    busy: list[Any] = []
    for _ in range(2 * MOST_WAITING):
        relay.ask(1, {"body": "x" * size}).addCallback(busy.append)
    assert len(line.commands) == min(MOST_WAITING, MOST_BYTES // size)
    assert busy == [{"status": 429}] * (2 * MOST_WAITING - len(line.commands))
    for number, _, _ in tuple(line.commands):
        relay.take(number, {"status": 200})
    relay.ask(1, {"body": "x" * 3 * MOST_BYTES})
    assert line.commands[-1][2]["body"][:1] == "x"


def test_a_command_of_another_worker_is_done_here() -> None:
    world, line = World(), made_line()
    client = world.connect()
    connection = world.function.events[0]["requestContext"]["connectionId"]
    relay = Relay(line, lambda: world.sockets)
    command = {"api": "chat", "method": "POST", "connectionId": connection, "body": "aGk=", "isBase64Encoded": True}
    relay.give(5, command)
    relay.give(6, {**command, "connectionId": "x"})
    Relay(line, lambda: None).give(7, command)
    assert (client.texts(), line.answers) == (
        ["hi"],
        [(5, {"status": 200}), (6, {"status": 410}), (7, {"status": 410})],
    )


def test_nothing_fails_that_a_connection_is_asked_for() -> None:
    class Broken(Somewhere):
        @staticmethod
        def post(*_: object) -> Deferred[None]:
            return fail(ZeroDivisionError())

    line = made_line()
    command = {"api": "", "method": "POST", "connectionId": "", "body": "", "isBase64Encoded": False}
    Relay(line, lambda: Broken).give(1, command)
    assert line.answers == [(1, {"status": 410})]
    assert Place(0, 0) == HERE


FUNCTION = """
import json, boto3

def handler(event, context):
    about = event["requestContext"]
    if about["eventType"] != "MESSAGE":
        return {"statusCode": 200}
    body = json.loads(event["body"])
    client = boto3.client("apigatewaymanagementapi", endpoint_url=body["url"], region_name="us-east-1",
                          aws_access_key_id="KEY", aws_secret_access_key="SECRET")
    for to in body.get("to") or [about["connectionId"]]:
        client.post_to_connection(ConnectionId=to, Data=json.dumps({"from": about["connectionId"]}).encode())
    return {"statusCode": 200}
"""
KEYS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def client_of(url: str, secret: str = KEYS[1]) -> Any:
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=secret,
    )


def configuration(folder: Path, connections: str = "") -> str:
    (folder / "chat.py").write_text(FUNCTION.replace('"KEY"', repr(KEYS[0])).replace('"SECRET"', repr(KEYS[1])))
    (folder / "keys").write_text(f"[me]\naws_access_key_id={KEYS[0]}\naws_secret_access_key={KEYS[1]}\n")
    (folder / "keys").chmod(0o600)
    file = folder / "proxy.toml"
    file.write_text(f"""
[function.chat]
handler = "chat.handler"
directory = "{folder}"
timeout = 60
[websocket.chat]
function = "chat"
{connections}
[authorizer.keys]
kind = "iam"
keys = "{folder / "keys"}"
""")
    return str(file)


def test_boto3_and_a_function_that_answers_by_it(tmp_path: Path) -> None:
    sync = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    pytest.importorskip("boto3", reason="boto3 is not installed")
    with Server("--config", configuration(tmp_path)) as server:
        url = f"http://127.0.0.1:{server.port}/prod"
        with sync.connect(url.replace("http", "ws"), open_timeout=60) as client:
            client.send(json.dumps({"url": url}))
            connection = json.loads(client.recv(60))["from"]
            api = client_of(url)
            api.post_to_connection(ConnectionId=connection, Data=b"hello")
            assert client.recv(60) == "hello"
            info = api.get_connection(ConnectionId=connection)
            assert info["Identity"]["SourceIp"] == "127.0.0.1"
            assert info["LastActiveAt"] >= info["ConnectedAt"]
            with pytest.raises(api.exceptions.PayloadTooLargeException):
                api.post_to_connection(ConnectionId=connection, Data=b"x" * 1_100_000)
            api.delete_connection(ConnectionId=connection)
            assert sync is not None
        with pytest.raises(api.exceptions.GoneException):
            api.get_connection(ConnectionId=connection)
        # What was sent is charged as a message, and is no invocation of the function that is called as the API is.
        figures = server.request("GET", "/metrics")[2].decode()
        assert 'lambdaproxy_bill_socket_messages_total{websocket="chat"} ' in figures
        assert "lambdaproxy_bill_requests_total{" not in figures
        assert 'lambdaproxy_invocations_total{alias="",function="chat",outcome="ok"} 3.0' in figures
        assert 'lambdaproxy_invocations_total{alias="",function="@connections/chat",outcome="ok"} 6.0' in figures
        status, _, body = server.request("POST", f"/prod/@connections/{connection}", b"x")
        assert (status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})
        status, _, body = server.request(
            "POST", f"/prod/@connections/{connection}", b"x", {"X-Forwarded-For": "192.0.2.1"}
        )
        assert (status, json.loads(body)) == (403, {"message": "Forbidden"})


def test_keys(tmp_path: Path) -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed")
    with Server("--config", configuration(tmp_path, 'connections = "keys"')) as server:
        url = f"http://127.0.0.1:{server.port}/prod"
        with pytest.raises(client_of(url).exceptions.GoneException):
            client_of(url).get_connection(ConnectionId="TXzPWdnOjoECGjA=")
        api = client_of(url, "another" * 6)
        with pytest.raises(api.exceptions.ClientError) as caught:
            api.get_connection(ConnectionId="TXzPWdnOjoECGjA=")
        assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_a_connection_is_found_in_whichever_worker_it_is(tmp_path: Path) -> None:
    sync = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    pytest.importorskip("boto3", reason="boto3 is not installed")
    functions = tmp_path / "functions"
    functions.mkdir()
    file = tmp_path / "proxy.toml"
    file.write_text('[websocket.chat]\nfunction = "chat"\n')
    arguments = ("--config", configuration(functions), "--invoke-api", "0", "--invoke-api-unsigned")
    environment = {"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1], "AWS_REGION": "us-east-1"}
    with Server(*arguments) as embedded:
        lambda_ = embedded.process.wait_for(r"Lambda Invoke API for SDKs on (http://\S+?),")[1]
        with (
            Server("--config", str(file), "--workers", "2", "--endpoint-url", lambda_, env=environment) as server,
            ExitStack() as opened,
        ):
            url = f"http://127.0.0.1:{server.port}/prod"
            clients: list[Any] = []
            names: list[str] = []
            while len({place_of(name) for name in names}) < 2:
                assert len(clients) < 100
                clients.append(opened.enter_context(sync.connect(url.replace("http", "ws"), open_timeout=60)))
                clients[-1].send(json.dumps({"url": url}))
                names.append(json.loads(clients[-1].recv(60))["from"])
            # Each new connection of SDKs lands in any of them.
            for _ in range(2):
                for client, name in zip(clients, names, strict=True):
                    client_of(url).post_to_connection(ConnectionId=name, Data=name.encode())
                    assert client.recv(60) == name
            clients[0].send(json.dumps({"url": url, "to": names}))
            assert [json.loads(client.recv(60)) for client in clients] == [{"from": names[0]}] * len(clients)
            for client in clients:
                client.close()
            api = client_of(url)

            def gone() -> bool:
                try:
                    api.get_connection(ConnectionId=names[0])
                except api.exceptions.GoneException:
                    return True
                return False

            until(gone, "the connection is gone")
