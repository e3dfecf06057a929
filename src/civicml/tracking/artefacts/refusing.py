"""How an artefact is turned away, and the checks of names, sizes and text that all files share."""

import json
from pathlib import Path
from typing import Any

import yaml

from civicml.errors import CivicmlError

LARGEST_MODEL = 500 * 1024 * 1024  # bytes
_MOST_FILES = 2_000
_MOST_TEXT = 256 * 1024  # bytes of a file of settings: YAML is read slowly
_MOST_JSON = 20 * 1024 * 1024  # bytes
LOG_AGAIN = "Log the model again with artefacts.log_model, which writes nothing else."
SAVE_SAFELY = (
    "Pass the fitted model to artefacts.log_model: it saves scikit-learn with skops, a network "
    "as safetensors and its architecture by name, and ONNX as it is."
)


class Refused(CivicmlError):  # noqa: N818 (what is wrong is the artefact)
    """An artefact that is not taken, and what to hand in in its place.

    Args:
        reason: one clear sentence: what was found, and where.
        instead: one clear sentence: what to do about it.
    """

    def __init__(self, reason: str, instead: str) -> None:
        self.reason = _printable(reason)
        self.instead = instead
        super().__init__(f"{self.reason} {instead}")


def _printable(text: str) -> str:
    """What an artefact says of itself is shown on a terminal: nothing that could act on it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


class CodeFound(Refused):
    """An artefact that could run code when it is loaded."""


def refuse_name(path: str) -> None:
    """Refuse a path that leads out of its folder, or that is made to deceive.

    Raises:
        Refused: it is absolute, has ``..`` or an empty part, or characters that do not print.
    """
    parts = path.split("/")
    if path.startswith(("/", "\\")) or "\\" in path or ".." in parts or "." in parts or "" in parts:
        raise Refused(f"The file name {path!r} leads out of the model's folder.", LOG_AGAIN)
    if not path.isprintable() or len(path) > 300 or ":" in path:
        raise Refused(f"The file name {path[:80]!r} has characters that no file of a model needs.", LOG_AGAIN)


def refuse_size(files: int, size: int, limit: int) -> None:
    """Refuse too many files, or too many bytes.

    Raises:
        Refused: more than a model has.
    """
    if files > _MOST_FILES:
        raise Refused(f"There are more than {_MOST_FILES:,} files.", LOG_AGAIN)
    if size > limit:
        raise Refused(
            f"The files are {_megabytes(size)} in all; {_megabytes(limit)} are allowed.",
            "Hand in a smaller model: fewer trees, narrower layers, an adapter in place of all weights.",
        )


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB" if size >= 1024**2 else f"{size:,} bytes"


def read_text(path: Path, most: int = _MOST_TEXT) -> str:
    """A text file of settings.

    Raises:
        Refused: it is missing, too large or not text.
    """
    try:
        if path.stat().st_size > most:
            raise Refused(f"'{path.name}' is larger than any file of settings.", LOG_AGAIN)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refused(f"There is no '{path.name}'.", LOG_AGAIN) from None
    except UnicodeDecodeError:
        raise Refused(f"'{path.name}' is not text.", LOG_AGAIN) from None


def read_yaml(path: Path) -> object:
    """What a file of YAML says, in which no part stands for another.

    Raises:
        Refused: as `read_text`; or it is no such YAML.
    """
    text = read_text(path)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise Refused(f"'{path.name}' refers back to parts of itself.", LOG_AGAIN)
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Refused(f"'{path.name}' is not YAML that can be read.", LOG_AGAIN) from None


def read_json(path: Path) -> dict[str, Any]:
    """The settings in a JSON file.

    Raises:
        Refused: as `read_text`; or it is not one JSON object.
    """
    try:
        found = json.loads(read_text(path, _MOST_JSON))
    except (ValueError, RecursionError):
        raise Refused(f"'{path.name}' is not JSON that can be read.", LOG_AGAIN) from None
    if not isinstance(found, dict):
        raise Refused(f"'{path.name}' is not a set of settings.", LOG_AGAIN)
    return found
