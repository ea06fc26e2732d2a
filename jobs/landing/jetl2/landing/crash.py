"""The points at which a run can be told to die."""

from jetl2.runtime.crash import CrashPoints

# In the order in which a run passes them; `offsets-sent` twice: of the plan, and of the landed range
POINTS = ("fenced", "offsets-sent", "planned", "object", "written", "manifest", "committed")
# Of a compaction, in the order in which an object passes them
COMPACTION_POINTS = ("listed", "merged", "published", "compared", "removed")

_points = CrashPoints((*POINTS, *COMPACTION_POINTS))
arm = _points.arm
check = _points.check
point = _points.point
