"""Reads a model's files and says what they are, or refuses them; executes nothing of theirs.

Everything here is written for files that somebody prepared to do harm: names, sizes and
contents are checked before a library reads them. It must not load a model.
"""

import hashlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from civicml.tracking.artefacts.content import code_in
from civicml.tracking.artefacts.facts import Column, File, ModelFacts
from civicml.tracking.artefacts.mlmodel import ENVIRONMENT, MLMODEL, Ours, check_environment, read_mlmodel
from civicml.tracking.artefacts.refusing import (
    LARGEST_MODEL,
    LOG_AGAIN,
    SAVE_SAFELY,
    CodeFound,
    Refused,
    read_text,
    refuse_name,
    refuse_size,
)
from civicml.tracking.artefacts.reviewed import ONNX_FILE, SKOPS_FILE
from civicml.tracking.artefacts.skops_files import skops_types_in

_LEAST_EXAMPLES = 5
_EXAMPLE = "input_example.json"
_FROM_REGISTRY = "registered_model_meta"  # MLflow adds it to what it downloads from its registry
_ALWAYS = frozenset({MLMODEL, _EXAMPLE, "serving_input_example.json", *ENVIRONMENT})


class _Example(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    columns: list[str]
    data: list[list[Any]]
    index: list[Any] | None = None


def inspect(folder: Path, limit: int = LARGEST_MODEL) -> ModelFacts:
    """What a model is, from its files; nothing in them is executed.

    Args:
        folder: the model's own folder (with ``MLmodel``), or a run's artefacts with the model in
            ``model/``; then the files beside it are looked at for code too.
        limit: how many bytes there may be in all.

    Raises:
        CodeFound: a file that would run code when it is loaded.
        Refused: a link, a file that does not belong there, too much, no signature, or anything
            else that is not as `log_model` writes it.
    """
    found = _files(folder, limit)
    for path in found:
        _refuse_code(folder, path)
    inner = "" if PurePosixPath(MLMODEL) in found else "model/"
    model = folder / inner
    names = {str(path).removeprefix(inner) for path in found if str(path).startswith(inner)}
    if MLMODEL not in names:
        raise Refused("There is no MLmodel file, so this is not a model that MLflow knows.", LOG_AGAIN)
    said = read_mlmodel(model / MLMODEL)
    _refuse_strangers(names, _expected(said.kind, said.own))
    for name in ENVIRONMENT:
        check_environment(model / name)
    if _FROM_REGISTRY in names:
        read_text(model / _FROM_REGISTRY, most=1024)
    types = _types(said.kind, model, said.own, limit)
    files = tuple(_described_file(model, name) for name in sorted(names))
    return ModelFacts(
        kind=said.kind,
        inputs=said.inputs,
        example_rows=_example_rows(model / _EXAMPLE, said.inputs),
        files=files,
        sha256=_tree_hash(files),
        types=types,
        data=said.notes.data,
        code=said.notes.code,
        seed=said.notes.seed,
        versions=said.notes.versions,
    )


def _files(folder: Path, limit: int) -> dict[PurePosixPath, int]:
    """Every file below `folder` and its size: regular files only, few enough and small enough."""
    if folder.is_symlink() or not folder.is_dir():
        raise Refused(f"There is no folder '{folder.name}' with a model in it.", LOG_AGAIN)
    found: dict[PurePosixPath, int] = {}
    for place, folders, files in os.walk(folder, onerror=_cannot_read):
        for name in (*folders, *files):
            path = Path(place, name)
            relative = PurePosixPath(path.relative_to(folder).as_posix())
            refuse_name(str(relative))
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise Refused(f"'{relative}' is a link to somewhere else.", "Hand in the file itself.")
            if stat.S_ISREG(mode):
                found[relative] = path.lstat().st_size
            elif not stat.S_ISDIR(mode):
                raise Refused(f"'{relative}' is not an ordinary file.", "Hand in ordinary files only.")
        refuse_size(len(found), sum(found.values()), limit)
    return found


def _cannot_read(error: OSError) -> NoReturn:
    raise Refused(
        f"'{Path(str(error.filename)).name}' cannot be read.", "Hand in files that can be read."
    ) from None


def _refuse_code(folder: Path, path: PurePosixPath) -> None:
    what = code_in(folder / path)
    if what is not None:
        raise CodeFound(f"'{path}' is {what}: loading it can run any code.", SAVE_SAFELY)


def _example_rows(path: Path, columns: tuple[Column, ...]) -> int:
    try:
        example = _Example.model_validate_json(read_text(path))
    except ValidationError:
        raise Refused(f"'{path.name}' is not a table.", LOG_AGAIN) from None
    if example.columns != [column.name for column in columns]:
        raise Refused("The input example has other columns than the signature.", LOG_AGAIN)
    if len(example.data) < _LEAST_EXAMPLES:
        raise Refused(
            f"The input example has {len(example.data)} rows.",
            f"Give log_model an example of at least {_LEAST_EXAMPLES} rows.",
        )
    return len(example.data)


def _expected(kind: str, own: Ours | None) -> frozenset[str]:
    if own is None:
        return _ALWAYS | {SKOPS_FILE if kind == "sklearn" else ONNX_FILE}
    if kind == "torch":
        return _ALWAYS | {"network.safetensors"} | ({"prepare.skops"} if own.prepared else set())
    text = {"text/config.json", "text/tokenizer.json"}
    if kind == "transformers":
        return _ALWAYS | text | {"text/model.safetensors"}
    return _ALWAYS | text | {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"}


def _refuse_strangers(names: set[str], expected: frozenset[str]) -> None:
    strangers = sorted(names - expected - {_FROM_REGISTRY})
    if strangers:
        raise Refused(f"'{strangers[0]}' does not belong to a model of this kind.", LOG_AGAIN)
    missing = sorted(expected - names)
    if missing:
        raise Refused(f"'{missing[0]}' is missing.", LOG_AGAIN)


def _types(kind: str, model: Path, own: Ours | None, limit: int) -> tuple[str, ...]:
    """What loading the model brings in; refuses what is not reviewed."""
    if kind == "sklearn":
        return skops_types_in(model / SKOPS_FILE, limit)
    if kind == "onnx":
        from civicml.tracking.artefacts.onnx_files import operators_in

        return operators_in(model / ONNX_FILE)
    if own is None:
        raise AssertionError(kind)
    from civicml.tracking.artefacts.network_files import parts_in

    types = parts_in(model, own)
    return types + (skops_types_in(model / "prepare.skops", limit) if own.prepared else ())


def _described_file(model: Path, name: str) -> File:
    path = model / name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return File(PurePosixPath(name), path.stat().st_size, digest)


def _tree_hash(files: tuple[File, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\n{file.size}\n{file.sha256}\n".encode())
    return digest.hexdigest()
