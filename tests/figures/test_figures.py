"""A chart in a notebook is described in words and drawn the same every time."""

from base64 import b64decode
from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

from civicml import figures
from civicml.errors import CivicmlError

WORDS = "The line rises from 1 to 3 & back."


@pytest.fixture(autouse=True, scope="module")
def shell() -> Iterator[None]:
    """`display` only prints where no IPython runs."""
    InteractiveShell.instance(history_load_length=0, colors="nocolor")
    yield
    InteractiveShell.clear_instance()


@pytest.fixture(autouse=True)
def own_style() -> Iterator[None]:
    with plt.rc_context():
        figures.use_style()
        yield


def draw() -> Figure:
    figure, axes = plt.subplots()
    axes.plot([1, 3, 1])
    axes.set_title("It rises and falls")
    return figure


def shown(figure: Figure) -> list:
    with capture_output() as captured:
        figures.show(figure, alt=WORDS)
    return captured.outputs


def png(output) -> bytes:
    data = output.data["image/png"]
    return data if isinstance(data, bytes) else b64decode(data)


def test_the_description_is_the_alt_of_the_picture():
    picture, _ = shown(draw())
    assert picture.metadata == {"image/png": {"alt": WORDS}}
    assert png(picture).startswith(b"\x89PNG")


def test_the_description_stands_under_the_picture_too():
    _, caption = shown(draw())
    assert caption.data["text/plain"] == f"In words: {WORDS}"
    assert "1 to 3 &amp; back" in caption.data["text/html"]


def test_the_same_figure_gives_the_same_bytes():
    assert png(shown(draw())[0]) == png(shown(draw())[0])


def test_a_figure_is_shown_once_and_closed():
    before = plt.get_fignums()
    figure = draw()
    shown(figure)
    assert plt.get_fignums() == before


@pytest.mark.parametrize("alt", ["", "plot", "a bar chart"])
def test_a_figure_without_a_description_is_refused(alt):
    figure = draw()
    with pytest.raises(CivicmlError, match="say in a sentence what it shows"):
        figures.show(figure, alt=alt)
    plt.close(figure)


def test_every_colour_of_the_cycle_can_be_told_from_white():
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in plt.rcParams["axes.prop_cycle"].by_key()["color"]:
        assert 1.05 / (luminance(colour) + 0.05) > 2
    assert 1.05 / (luminance(figures.GREY) + 0.05) >= 4.5
