"""The allowance, by a clock that is set by hand."""

from jetl2.ingestor.budget import Budget


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def spent(budget: Budget, clock: Clock, seconds: int, weight: float) -> list[float]:
    """Return when something could be spent, by asking as soon as allowed."""
    times: list[float] = []
    end = clock.now + seconds
    while clock.now < end:
        wait_s = budget.take(weight)
        if wait_s:
            clock.now += wait_s + 1e-9
        else:
            times.append(clock.now)
    return times


def test_no_minute_holds_more_than_the_allowance() -> None:
    clock = Clock()
    times = spent(Budget(600, clock), clock, 300, weight=50)

    most = max(sum(1 for t in times if begin <= t < begin + 60) for begin in times)
    assert most * 50 <= 600
    assert len(times) * 50 >= 600 / 2 * 5


def test_what_is_dearer_than_half_a_minute_still_gets_its_turn() -> None:
    clock = Clock()

    assert spent(Budget(60, clock), clock, 600, weight=50)


def test_a_pause_holds_until_it_is_over() -> None:
    clock = Clock()
    budget = Budget(600, clock)
    budget.pause(30)
    first = spent(budget, clock, 60, weight=50)[0]

    assert 130 <= first < 131
