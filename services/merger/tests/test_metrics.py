"""What the merger counts of its work."""

from jetl2.merger import metrics
from jetl2.runtime.metrics import REGISTRY


def found(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"jetl2_merger_{name}_total", {"exchange": "here", **labels})


def test_outputs_are_counted_by_exchange_and_kind_and_dead_letters_apart() -> None:
    metrics.count(
        {
            ("raw.here", ""): 7,
            ("raw.here", "Gap:sequence"): 2,
            ("raw.here", metrics.DEAD_LETTER): 3,
        }
    )

    assert found("messages") == 7
    assert found("records", kind="Gap") == 2
    assert found("gaps", reason="sequence") == 2
    assert found("dead_letters") == 3
