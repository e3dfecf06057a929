"""A skops file, read as an archive of arrays and a description: which types it would bring in."""

import hashlib
import json
import zipfile
from pathlib import Path

from civicml.tracking.artefacts.refusing import (
    LARGEST_MODEL,
    LOG_AGAIN,
    CodeFound,
    Refused,
    refuse_name,
    refuse_size,
)
from civicml.tracking.artefacts.reviewed import skops_types

_MOST_SCHEMA = 32 * 1024 * 1024  # bytes of the description
_MOST_DEPTH = 200


def skops_types_in(path: Path, limit: int = LARGEST_MODEL) -> tuple[str, ...]:
    """The types in a skops file that skops does not trust by itself; all of them are on the reviewed list.

    Raises:
        Refused: it is not a skops file, holds more than its description names, or brings in a
            type that nobody has reviewed.
    """
    _check_skops_archive(path, limit)
    import skops.io

    try:
        types = skops.io.get_untrusted_types(file=path)
    except Exception as error:
        raise Refused(f"skops cannot read '{path.name}' ({type(error).__name__}).", LOG_AGAIN) from None
    refuse_types(types)
    return tuple(types)


def _check_skops_archive(path: Path, limit: int) -> None:
    broken = Refused(f"'{path.name}' is not a file that skops wrote.", LOG_AGAIN)
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise broken
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            for name in names:
                refuse_name(name)
            refuse_size(0, sum(member.file_size for member in members), limit)
            if len(set(names)) < len(names) or archive.getinfo("schema.json").file_size > _MOST_SCHEMA:
                raise broken
            schema = json.loads(archive.read("schema.json"))
            named = _files_named(schema)
            _refuse_references(schema)
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, RuntimeError, OSError):
        raise broken from None
    extra = sorted(set(names) - named - {"schema.json"})
    if extra:
        raise Refused(f"'{path.name}' carries '{extra[0]}', which is no part of the model.", LOG_AGAIN)


def _files_named(schema: object) -> set[str]:
    named: set[str] = set()
    open_parts = [schema]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict):
            if isinstance(part.get("file"), str):
                named.add(part["file"])
            open_parts.extend(part.values())
        elif isinstance(part, list):
            open_parts.extend(part)
    return named


def _refuse_references(schema: object) -> None:
    """Refuse a description in which a part stands for another.

    skops numbers its parts, and writes one that occurs again out in full. It would also read a bare
    number, again and again: a few lines could then stand for more parts than anybody can walk through.

    Raises:
        ValueError: two parts have the same number and differ.
        RecursionError: parts lie too deep in one another.
    """
    known: dict[object, bytes] = {}

    def digest(part: object, depth: int) -> bytes:
        if depth > _MOST_DEPTH:
            raise RecursionError
        if isinstance(part, list):
            return _hash("list", *(digest(inner, depth + 1) for inner in part))
        if not isinstance(part, dict):
            return _hash("value", repr(part).encode())
        # A part that occurs again is the same but for the numbers and files of what was made to write it.
        names = [name for name in part if name not in ("__id__", "file")]
        found = _hash("dict", repr(names).encode(), *(digest(part[name], depth + 1) for name in names))
        number = part.get("__id__")
        if number and known.setdefault(number, found) != found:
            raise ValueError
        return found

    digest(schema, 0)


def _hash(kind: str, *parts: bytes) -> bytes:
    together = hashlib.blake2b(kind.encode(), digest_size=16)
    for part in parts:
        together.update(len(part).to_bytes(8, "little") + part)
    return together.digest()


def refuse_types(types: "tuple[str, ...] | list[str]") -> None:
    """Refuse types that are not on the reviewed list.

    Raises:
        Refused: the first few of them by name, and what to do.
    """
    strangers = sorted(set(types) - skops_types())
    if not strangers:
        return
    said = ", ".join(f"'{name[:100]}'" for name in strangers[:3])
    more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
    if any(name.startswith(("sklearn.model_selection.", "sklearn.metrics.")) for name in strangers):
        instead = "Log the model inside: best_estimator_ of a search, estimator_ of a tuned threshold."
    elif any(
        name.startswith("__main__.") or not name.startswith(("sklearn.", "numpy.", "scipy."))
        for name in strangers
    ):
        instead = (
            "A function or class of your own cannot travel with a model: compute that column in the frame, "
            "or use a transformer of scikit-learn."
        )
    else:
        instead = "Use another estimator, or ask for the type to be reviewed: skops_types.toml says how."
    raise CodeFound(f"The model needs {said}{more}, which nobody has reviewed.", instead)
