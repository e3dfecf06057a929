"""Draws a dataset: its own ``picture.py`` says what a newcomer should see; this writes it to a file.

Knows figures and files, no dataset by name.
"""

from pathlib import Path

from civicml.datasets.catalogue import find_dataset
from civicml.datasets.files import new_file
from civicml.datasets.loading import load
from civicml.datasets.recipe import load_module
from civicml.errors import CivicmlError

PICTURE_FILE = "picture.py"
_KINDS = (".png", ".svg", ".pdf")


def draw_picture(name: str, destination: Path) -> str:
    """Draw the tables that ``load(name)`` gives to `destination`: a PNG, SVG or PDF file, by its ending.

    Args:
        name: the dataset.
        destination: the file, which is replaced if it is there.

    Returns:
        What is to be seen, in words; a PNG or SVG file holds them too, for those who cannot see it.

    Raises:
        CivicmlError: no such dataset, it has no picture, or the file cannot be written.
    """
    dataset = find_dataset(name)
    kind = destination.suffix.lower()
    if kind not in _KINDS:
        raise CivicmlError(f"'{destination}' is no kind of picture; let it end in {', '.join(_KINDS)}.")
    if not (dataset.folder / PICTURE_FILE).is_file():
        raise CivicmlError(f"'{name}' has no picture: there is no {PICTURE_FILE} in its folder.")
    figure, description = load_module(dataset.folder / PICTURE_FILE, f"civicml_picture_{name}").draw(
        load(name)
    )
    note = {"Subject" if kind == ".pdf" else "Description": description}
    try:
        with new_file(destination) as work:
            figure.savefig(work, dpi=120, metadata={"Title": dataset.schema.title, **note})
    except OSError as error:
        raise CivicmlError(f"'{destination}' cannot be written: {error.strerror or error}.") from error
    return str(description)
