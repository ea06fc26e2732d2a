"""The clock of events, by clocks that are set by hand."""

import itertools
import random

from jetl2.ingestor.clock import Clock

HOUR = 3600 * 10**9
START = 1_795_000_000 * 10**9


class Host:
    """A wall clock that may be set, and one that may not."""

    def __init__(self) -> None:
        self.wall = START
        self.steady = 5

    def pass_ns(self, ns: int) -> None:
        self.wall += ns
        self.steady += ns


def made() -> tuple[Host, Clock]:
    host = Host()
    return host, Clock(lambda: host.wall, lambda: host.steady)


def test_it_is_the_wall_clock_as_long_as_that_is_not_set_back() -> None:
    host, clock = made()
    for ns in (1, 999, 10**9, HOUR):
        host.pass_ns(ns)
        assert clock.now() == host.wall
    host.wall += HOUR
    assert clock.now() == host.wall
    assert clock.ahead_s() == 0


def test_a_clock_that_is_set_back_is_waited_for_at_half_speed() -> None:
    host, clock = made()
    host.wall -= HOUR
    assert clock.now() == START
    assert clock.ahead_s() == 3600
    host.pass_ns(HOUR)
    assert clock.now() == START + HOUR // 2
    assert clock.ahead_s() == 1800
    host.pass_ns(HOUR)
    assert clock.now() == host.wall == START + HOUR
    host.pass_ns(1)
    assert clock.now() == host.wall


def test_a_leap_second_repeats_no_time() -> None:
    host, clock = made()
    stamps = []
    for n in range(4000):
        host.pass_ns(10**6)
        if n == 1000:
            host.wall -= 10**9
        stamps.append(clock.now())

    assert all(a < b for a, b in itertools.pairwise(stamps))
    assert stamps[-1] == host.wall


def test_whatever_is_done_to_the_wall_clock_time_goes_on() -> None:
    chance = random.Random(7)
    host, clock = made()
    last = clock.now()
    for _ in range(5000):
        host.pass_ns(chance.randint(2, 10**9))
        if chance.random() < 0.05:
            host.wall += chance.randint(-2 * HOUR, 2 * HOUR)
        now = clock.now()
        assert last < now >= host.wall
        last = now
