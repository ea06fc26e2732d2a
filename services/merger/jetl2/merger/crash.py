"""The points at which a merger can be told to die."""

from jetl2.runtime.crash import CrashPoints

# In the order in which a transaction passes them; the last two only when it is asked to end
POINTS = (
    "fenced",
    "restored",
    "before-begin",
    "begun",
    "outputs-produced",
    "states-produced",
    "commit-record-produced",
    "flushed",
    "offsets-sent",
    "committed",
    "revoked",
    "stopping",
)

_points = CrashPoints(POINTS)
arm = _points.arm
check = _points.check
point = _points.point
