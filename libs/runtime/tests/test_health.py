"""The health server over a real socket."""

from collections.abc import Iterator

import httpx
import pytest

from jetl2.runtime import metrics
from jetl2.runtime.health import Health, Server, serve

FRAMES = metrics.counter("jetl2_toy_frames", "Frames of this test.", ["exchange"])


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(beat_within_s=10, clock=clock)


@pytest.fixture
def server(health: Health) -> Iterator[Server]:
    server = serve(health, "127.0.0.1", 0)
    yield server
    server.close()


def get(server: Server, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", trust_env=False)


def test_a_process_is_not_ready_until_each_part_is(server: Server, health: Health) -> None:
    before = get(server, "/readyz")
    health.ready()
    health.not_ready("kafka", "no broker answers")
    between = get(server, "/readyz")
    health.ready("kafka")
    after = get(server, "/readyz")

    assert (before.status_code, between.status_code, after.status_code) == (503, 503, 200)
    assert between.text == "kafka: no broker answers\n"


def test_a_loop_that_hangs_is_not_alive(server: Server, health: Health, clock: Clock) -> None:
    clock.now = 9
    early = get(server, "/healthz").status_code
    clock.now = 11
    late = get(server, "/healthz").status_code
    health.beat()
    turned = get(server, "/healthz").status_code

    assert (early, late, turned) == (200, 503, 200)


def test_metrics_are_served(server: Server) -> None:
    FRAMES.labels("x").inc(3)

    assert 'jetl2_toy_frames_total{exchange="x"} 3.0' in get(server, "/metrics").text


def test_other_paths_are_refused(server: Server) -> None:
    assert get(server, "/other").status_code == 404
