"""Pictures for a review's page, as SVG that stands inside HTML, with words for those who cannot see them.

Drawn in the course's style. It must not know what is good or bad.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from civicml.figures import BLUE, GREY, ORANGE, VERMILION, use_style
from civicml.review.evidence import Plot

_DESCRIBED = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_COLOURS = (BLUE, VERMILION, ORANGE, GREY)
_MARKS = ("o", "s", "^", "D")


@contextmanager
def _drawing(title: str, size: tuple[float, float] = (7.2, 3.8)) -> "Iterator[tuple[Figure, Any]]":
    with mpl.rc_context():
        use_style()
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": title, "figure.dpi": 72})
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.set_title(title)
        yield figure, axes


def lines(
    title: str,
    description: str,
    curves: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    axes_names: tuple[str, str],
    *,
    diagonal: bool = False,
    at: float | None = None,
) -> Plot:
    """Curves, each (name, x, y); `at` marks a place on the x axis."""
    with _drawing(title) as (figure, axes):
        if diagonal:
            axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="as promised")
        if at is not None:
            axes.axvline(at, color=GREY, linestyle="--", linewidth=1)
        for number, (name, x, y) in enumerate(curves):
            marks = _MARKS[number % 4] if len(x) <= 12 else None
            axes.plot(x, y, color=_COLOURS[number % 4], marker=marks, label=name)
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])
        axes.legend()
        return Plot(title, _svg(figure, title), description)


def intervals(
    title: str,
    description: str,
    rows: Sequence[tuple[str, float, float, float]],
    axis: str,
    *,
    line: float | None = None,
) -> Plot:
    """Figures with intervals, one below the other: (name, value, low, high); `line` marks a value."""
    with _drawing(title, (7.2, 0.9 + 0.28 * max(4, len(rows)))) as (figure, axes):
        if line is not None:
            axes.axvline(line, color=GREY, linestyle="--", linewidth=1)
        for place, (_, value, low, high) in enumerate(reversed(rows)):
            axes.plot([low, high], [place, place], color=BLUE, linewidth=2)
            axes.plot([value], [place], color=BLUE, marker="o")
        axes.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
        axes.set_xlabel(axis)
        return Plot(title, _svg(figure, title), description)


def _svg(figure: Figure, title: str) -> str:
    """One ``<svg>`` element without dates, its ids unlike those of any other picture on the page."""
    target = io.StringIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    text = target.getvalue()
    text = _DESCRIBED.sub("", text[text.index("<svg") :])
    slug = "".join(mark if mark.isalnum() else "-" for mark in title.lower())
    text = re.sub(r'\bid="', f'id="{slug}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{slug}-", text)
    # Text is set in the page's own type.
    return re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 sans-serif", text).strip()
