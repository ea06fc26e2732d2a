"""The proxy does to each request and answer what its rules say, and nothing to the others."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from jetl2.testkit.kafka_proxy import END_TXN, HOLD_PAST_REPETITION, METADATA, PRODUCE, KafkaProxy

WAIT_S = 20.0
# Longer than any test takes
LONG_S = 600.0


class Broker:
    """Answers each request with its body, and remembers the bodies in the order they came."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.came: list[bytes] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while frame := frame_of(connection):
                self.came.append(body := request_body(frame))
                answer(connection, frame[4:8] + body)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Client:
    """Sends requests, and takes the answers one by one."""

    def __init__(self, address: str, name: str = "someone") -> None:
        host, _, port = address.partition(":")
        self.name = name.encode()
        self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(WAIT_S)
        self.sent = 0

    def send(self, kind: int, body: bytes, version: int = 1) -> None:
        self.sent += 1
        head = struct.pack(">hhih", kind, version, self.sent, len(self.name))
        answer(self.socket, head + self.name + body)

    def receive(self) -> bytes:
        """Return the body of the next answer; b"" when the connection was cut."""
        with suppress(ConnectionError):
            return frame_of(self.socket)[4:]
        return b""

    def ask(self, kind: int, body: bytes, version: int = 1) -> bytes:
        self.send(kind, body, version)
        return self.receive()

    def close(self) -> None:
        self.socket.close()


def answer(connection: socket.socket, content: bytes) -> None:
    connection.sendall(struct.pack(">i", len(content)) + content)


def frame_of(connection: socket.socket) -> bytes:
    with connection.makefile("rb", buffering=0) as file:
        head = file.read(4) or b""
        content = b""
        while head and len(content) < struct.unpack(">i", head)[0]:
            content += file.read(struct.unpack(">i", head)[0] - len(content)) or b""
    return content


def request_body(frame: bytes) -> bytes:
    return frame[10 + struct.unpack(">h", frame[8:10])[0] :]


@pytest.fixture
def broker() -> Iterator[Broker]:
    with closing(Broker()) as stub:
        yield stub


@pytest.fixture
def proxy(broker: Broker) -> Iterator[KafkaProxy]:
    with closing(KafkaProxy(broker.address)) as between:
        yield between


@pytest.fixture
def client(proxy: KafkaProxy) -> Iterator[Client]:
    with closing(Client(proxy.bootstrap_servers)) as some:
        yield some


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def test_without_a_rule_all_passes_in_order(client: Client, proxy: KafkaProxy) -> None:
    for n in range(50):
        client.send(PRODUCE, b"x" * n * 1000, version=7)

    assert [len(client.receive()) for _ in range(50)] == [n * 1000 for n in range(50)]
    assert proxy.versions == {PRODUCE: 7}
    assert not proxy.done


def test_a_held_request_holds_up_its_own_connection_only(
    client: Client, broker: Broker, proxy: KafkaProxy
) -> None:
    proxy.hold_past_repetition(END_TXN, 0)
    client.send(END_TXN, b"held")
    client.send(PRODUCE, b"behind")
    until(lambda: proxy.held)
    with closing(Client(proxy.bootstrap_servers)) as other:
        assert other.ask(END_TXN, b"other") == b"other"

    assert [client.receive(), client.receive()] == [b"held", b"behind"]
    assert broker.came == [b"other", b"held", b"behind"]
    assert proxy.done == {(HOLD_PAST_REPETITION, END_TXN): 1}
    assert proxy.pending == 0


def test_a_held_request_arrives_although_its_client_has_left(
    client: Client, broker: Broker, proxy: KafkaProxy
) -> None:
    proxy.hold(END_TXN, 0.2)
    client.send(END_TXN, b"held")
    until(lambda: proxy.held)
    client.close()

    until(lambda: broker.came == [b"held"])
    assert proxy.late[END_TXN] == 0


def test_a_request_is_held_until_its_repetition_was_answered(
    client: Client, broker: Broker, proxy: KafkaProxy
) -> None:
    proxy.hold_past_repetition(END_TXN, 0.05, client="someone")
    with closing(Client(proxy.bootstrap_servers, "another")) as another:
        assert another.ask(END_TXN, b"not of this client") == b"not of this client"
        client.send(END_TXN, b"first")
        until(lambda: proxy.held)
        client.close()
        assert another.ask(END_TXN, b"still not") == b"still not"
    with closing(Client(proxy.bootstrap_servers)) as again:
        assert again.ask(PRODUCE, b"of another kind") == b"of another kind"
        assert again.ask(END_TXN, b"again") == b"again"
        until(lambda: b"first" in broker.came)

    assert broker.came[-2:] == [b"again", b"first"]
    assert proxy.late[END_TXN] == 1


@pytest.mark.parametrize("cut", [3, 4, 11])
def test_a_frame_that_a_cut_left_unfinished_goes_nowhere(
    cut: int, broker: Broker, proxy: KafkaProxy
) -> None:
    # What is raised in a thread of the proxy fails the test
    with closing(Client(proxy.bootstrap_servers)) as client:
        client.socket.sendall(struct.pack(">ihhih", 100, PRODUCE, 1, 1, 0)[:cut])
        client.socket.shutdown(socket.SHUT_WR)
        assert client.receive() == b""

    assert broker.came == []


def test_an_answer_that_a_cut_left_unfinished_goes_nowhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with (
            closing(KafkaProxy(address)) as proxy,
            closing(Client(proxy.bootstrap_servers)) as client,
        ):
            client.send(PRODUCE, b"")
            connection, _ = listener.accept()
            with connection:
                frame_of(connection)
                connection.sendall(struct.pack(">i", 100))
            assert client.receive() == b""


def test_a_dropped_request_has_no_answer_and_the_connection_goes_on(
    client: Client, broker: Broker, proxy: KafkaProxy
) -> None:
    proxy.drop(PRODUCE)
    client.send(PRODUCE, b"dropped")

    assert client.ask(PRODUCE, b"next") == b"next"
    assert broker.came == [b"next"]


def test_a_request_at_which_the_connection_is_cut_does_not_arrive(
    client: Client, broker: Broker, proxy: KafkaProxy
) -> None:
    proxy.cut_at(PRODUCE)

    assert client.ask(PRODUCE, b"cut") == b""
    assert broker.came == []


def test_a_reply_is_lost_with_its_connection_but_the_request_was_done(
    client: Client, broker: Broker, proxy: KafkaProxy
) -> None:
    proxy.lose_reply(PRODUCE)

    assert client.ask(PRODUCE, b"done") == b""
    assert broker.came == [b"done"]
    assert proxy.lost == 1


def test_a_reply_is_dropped_or_held_and_later_ones_come(
    client: Client, broker: Broker, proxy: KafkaProxy
) -> None:
    proxy.drop_reply(PRODUCE)
    client.send(PRODUCE, b"dropped")
    proxy.hold_reply(END_TXN, 0.05)

    assert client.ask(END_TXN, b"held") == b"held"
    assert broker.came == [b"dropped", b"held"]


def test_only_the_client_that_is_cut_is_refused_until_its_time_is_over(proxy: KafkaProxy) -> None:
    with closing(Client(proxy.bootstrap_servers, "a")) as a:
        assert a.ask(PRODUCE, b"1") == b"1"
        with closing(Client(proxy.bootstrap_servers, "b")) as b:
            assert b.ask(PRODUCE, b"1") == b"1"
            proxy.cut(LONG_S, "a")
            assert a.receive() == b""
            assert asked_anew(proxy, "a") == b""
            assert b.ask(PRODUCE, b"2") == b"2"
    proxy.cut(0.05, "a")
    until(lambda: asked_anew(proxy, "a") == b"3")


def test_all_connections_are_cut_and_refused_until_the_time_is_over(
    client: Client, proxy: KafkaProxy
) -> None:
    assert client.ask(PRODUCE, b"1") == b"1"
    proxy.cut(LONG_S)

    assert client.receive() == b""
    assert asked_anew(proxy, "a") == b""
    proxy.cut(0.05)
    until(lambda: asked_anew(proxy, "a") == b"3")


def test_what_stalled_comes_later_in_order(
    client: Client, broker: Broker, proxy: KafkaProxy
) -> None:
    proxy.stall(LONG_S, "someone")
    client.send(PRODUCE, b"1")
    client.send(PRODUCE, b"2")
    with closing(Client(proxy.bootstrap_servers, "another")) as another:
        assert another.ask(PRODUCE, b"0") == b"0"
    proxy.stall(0.05, "someone")

    assert [client.receive(), client.receive()] == [b"1", b"2"]
    assert broker.came == [b"0", b"1", b"2"]


def test_every_broker_has_a_listener_and_its_address_is_replaced(broker: Broker) -> None:
    with closing(Broker()) as second:
        theirs = [b"127.0.0.1" + struct.pack(">i", b.port) for b in (broker, second)]
        with closing(KafkaProxy(f"{broker.address},{second.address}")) as proxy:
            own = proxy.bootstrap_servers.split(",")
            ports = [int(address.partition(":")[2]) for address in own]
            ours = [b"127.0.0.1" + struct.pack(">i", port) for port in ports]
            with closing(Client(own[1])) as client:
                assert client.ask(METADATA, b"-".join(theirs)) == b"-".join(ours)

    assert (len(broker.came), len(second.came)) == (0, 1)


def test_a_broker_that_is_away_is_a_cut_connection() -> None:
    with closing(Broker()) as gone:
        pass
    with closing(KafkaProxy(gone.address)) as proxy:
        assert asked_anew(proxy, "a") == b""


def test_rules_that_were_not_used_are_forgotten(client: Client, proxy: KafkaProxy) -> None:
    proxy.drop(PRODUCE, 2)
    proxy.cut_at(PRODUCE, client="another")
    assert proxy.pending == 3
    proxy.clear()

    assert client.ask(PRODUCE, b"1") == b"1"
    assert proxy.pending == 0


def test_a_broker_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at 127\.0\.0\.1 only, not localhost:1"):
        KafkaProxy("localhost:1")


def asked_anew(proxy: KafkaProxy, name: str) -> bytes:
    try:
        with closing(Client(proxy.bootstrap_servers, name)) as client:
            return client.ask(PRODUCE, b"3")
    except ConnectionError:
        return b""
