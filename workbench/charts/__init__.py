"""One Altair theme; a result or its frame goes in, a chart with the finding as its title comes out.

Each chart has a `..._frame` that builds its rows and a function that builds the chart from a result or from such a
frame, so that a slider builds the chart once and then swaps the rows: `view.spec = swapped(view.spec, frame)`.
A frame carries its chart's title in the column `finding`.
"""

from workbench.charts.canvas import COLOURS, TEXT, bundle, enable, finding, svg, swapped
from workbench.charts.choice import (
    MOST,
    TAIL,
    difference,
    difference_frame,
    drivers,
    drivers_frame,
    monthly,
    monthly_frame,
    ranges,
    ranges_frame,
)
from workbench.charts.doubt import losing, losing_frame
from workbench.charts.exits import (
    both,
    both_frame,
    course,
    course_frame,
    region,
    region_frame,
    waterfall,
    waterfall_frame,
)

__all__ = [
    "COLOURS",
    "MOST",
    "TAIL",
    "TEXT",
    "both",
    "both_frame",
    "bundle",
    "course",
    "course_frame",
    "difference",
    "difference_frame",
    "drivers",
    "drivers_frame",
    "enable",
    "finding",
    "losing",
    "losing_frame",
    "monthly",
    "monthly_frame",
    "ranges",
    "ranges_frame",
    "region",
    "region_frame",
    "svg",
    "swapped",
    "waterfall",
    "waterfall_frame",
]
