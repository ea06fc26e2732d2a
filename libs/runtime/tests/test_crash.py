"""A process dies at the passing of the point that it was told, and at no other."""

import os
import signal

import pytest

from jetl2.runtime.crash import CrashPoints

POINTS = ("planned", "object", "written")


@pytest.mark.parametrize("where, passed", [("object", 0), ("object:1", 0), ("object:3", 2)])
def test_dies_at_the_nth_passing(where: str, passed: int) -> None:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        points = CrashPoints(POINTS)
        points.arm(where)
        for _ in range(5):
            points.point("written")
            points.point("object")
            os.write(write, b".")
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert len(os.read(read, 10)) == passed


def test_what_is_no_point_is_refused_with_the_list() -> None:
    with pytest.raises(
        ValueError, match="no crash point 'landed'; there are: planned, object, written"
    ):
        CrashPoints(POINTS).arm("landed:2")


@pytest.mark.parametrize("where", ["object:0", "object:x", "object:-1"])
def test_what_is_no_number_is_refused(where: str) -> None:
    with pytest.raises(ValueError, match="expected a number from 1"):
        CrashPoints(POINTS).arm(where)


def test_nothing_is_armed_by_default() -> None:
    points = CrashPoints(POINTS)
    points.arm("")

    for name in POINTS:
        points.point(name)
