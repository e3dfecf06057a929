"""How the course shows a chart: one style, one size, and words for those who cannot see it.

Used by notebooks, which draw with plain matplotlib. It must not know what is drawn.
"""

from html import escape
from io import BytesIO
from typing import Any, Final

import matplotlib.pyplot as plt
from cycler import cycler
from IPython.display import display
from matplotlib.figure import Figure

from civicml.errors import CivicmlError

# Eight colours that stay apart for readers with colour-blindness: Okabe and Ito,
# "Color Universal Design" (2008). Yellow is left out of the cycle: too pale for lines on white.
BLACK: Final = "#000000"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
YELLOW: Final = "#F0E442"
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
GREY: Final = "#767676"  # for context: the lightest grey with 4.5 to 1 contrast on white

_STYLE: Final[dict[Any, Any]] = {
    "axes.grid": False,
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=[BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.figsize": (7.2, 4.0),  # inches
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 11,
    "legend.frameon": False,
}


def use_style() -> None:
    """Set the course's chart style for every figure drawn after this line."""
    plt.rcParams.update(_STYLE)


def show(figure: Figure, *, alt: str) -> None:
    """Show a figure once, with its description, and close it.

    The description is kept in the output's metadata, as ``image/png: alt``, where
    software and our own checks look for it. It also stands under the picture as
    text, because JupyterLab 4, GitHub and nbconvert's default page do not hand the
    ``alt`` on. (An ``<img>`` written by us would carry it, but JupyterLab empties
    that in a notebook the reader has not yet trusted.)

    A stored picture has the same size everywhere: nothing is cropped, and no date or
    version is written into it.

    Args:
        figure: what to show. Its title should be the message.
        alt: what the figure shows, in one or two sentences with its main numbers.

    Raises:
        CivicmlError: the description is missing or too short to describe anything.
    """
    if len(alt.split()) < 5:
        raise CivicmlError(
            f"The figure is described as '{alt}': say in a sentence what it shows, for a reader who cannot "
            "see it."
        )
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    plt.close(figure)
    display(  # type: ignore[no-untyped-call]
        {"image/png": picture.getvalue(), "text/plain": "<Figure, described below>"},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )
    display(  # type: ignore[no-untyped-call]
        {"text/html": f"<p><em>In words:</em> {escape(alt)}</p>", "text/plain": f"In words: {alt}"},
        raw=True,
    )
