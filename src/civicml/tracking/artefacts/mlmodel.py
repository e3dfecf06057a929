"""Reads ``MLmodel`` and its companions: which kind of model, its columns, what it was made with.

Whatever asks for more than data is refused. It must not load a model.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from civicml.tracking.artefacts.facts import Column
from civicml.tracking.artefacts.refusing import (
    LOG_AGAIN,
    SAVE_SAFELY,
    CodeFound,
    Refused,
    read_text,
    read_yaml,
)
from civicml.tracking.artefacts.reviewed import FLAVOURS, LOADER, OUR_FLAVOUR
from civicml.tracking.artefacts.skops_files import refuse_types

MLMODEL = "MLmodel"
ENVIRONMENT = ("conda.yaml", "python_env.yaml", "requirements.txt")
_MOST_COLUMNS = 5_000
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[\w,-]+\])?\s*([=<>!~]=?\s*[\w.+!*]+)?")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _PythonFunction(_Strict):
    loader_module: str
    env: dict[str, str] | str | None = None
    model_path: str | None = None
    data: str | None = None
    predict_fn: str | None = None
    python_version: str | None = None
    code: None = None
    config: None = None
    streamable: bool | None = None


class _Sklearn(_Strict):
    pickled_model: Literal["model.skops"]
    serialization_format: Literal["skops"]
    sklearn_version: str
    skops_trusted_types: list[str] | None = None
    code: None = None


class _Onnx(_Strict):
    data: Literal["model.onnx"]
    onnx_version: str
    providers: list[str] | None = None
    onnx_session_options: None = None
    code: None = None


class Ours(_Strict):
    """How a network or a language model is put together: our own flavour in ``MLmodel``."""

    kind: Literal["torch", "transformers", "adapter"]
    architecture: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
    sizes: dict[str, int | float | list[int] | str] = {}
    prepared: bool = False  # whether prepare.skops turns the frame into numbers
    column: str | None = None  # the column of text
    longest: Annotated[int, Field(ge=1, le=100_000)] | None = None  # tokens
    base: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")] | None = None
    base_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    version: str


_SETTINGS: dict[str, type[_Sklearn] | type[_Onnx] | type[Ours]] = {
    "sklearn": _Sklearn,
    "onnx": _Onnx,
    OUR_FLAVOUR: Ours,
}


class Notes(_Strict):
    """What whoever logged the model wrote down about its making: claims."""

    data: str | None = None
    code: str | None = None
    seed: int | None = None
    versions: dict[str, str] = {}


class _Signature(_Loose):
    inputs: str | None = None
    outputs: str | None = None
    params: str | None = None


class _MLmodel(_Loose):
    flavors: dict[str, dict[str, Any]]
    signature: _Signature | None = None
    metadata: dict[str, Any] | None = None


class _Input(_Loose):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    type: Literal["boolean", "integer", "long", "float", "double", "string", "datetime"]
    required: bool = True


@dataclass(frozen=True)
class Description:
    """What ``MLmodel`` says of a model."""

    kind: str
    own: Ours | None  # for the kinds that are our own flavour
    inputs: tuple[Column, ...]
    notes: Notes


def read_mlmodel(path: Path) -> Description:
    """What ``MLmodel`` says of a model.

    Raises:
        Refused: it asks for more than loading data, or has no signature.
    """
    try:
        found = _MLmodel.model_validate(read_yaml(path))
    except ValidationError as error:
        raise Refused(f"'MLmodel' is not as MLflow writes it: {_first(error)}.", LOG_AGAIN) from None
    kind, own = _flavour(found.flavors)
    return Description(kind, own, _inputs(found.signature), _notes(found.metadata))


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part)[:40] for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _flavour(flavours: Mapping[str, dict[str, Any]]) -> tuple[str, Ours | None]:
    """The kind of model, and our own description of it where it is of our own flavour."""
    named = sorted(set(flavours) - {"python_function"})
    if len(named) != 1 or named[0] not in FLAVOURS:
        said = ", ".join(named) or "python_function alone"
        raise Refused(
            f"A model of the flavour '{said[:80]}' is not taken: MLflow runs code to load it.", SAVE_SAFELY
        )
    (name,) = named
    if name == "sklearn" and flavours[name].get("serialization_format") != "skops":
        raise CodeFound(
            f"The scikit-learn model says that it is saved as "
            f"'{str(flavours[name].get('serialization_format'))[:40]}', which runs code when it is loaded.",
            SAVE_SAFELY,
        )
    try:
        function = _PythonFunction.model_validate(flavours.get("python_function", {}))
        settings = _SETTINGS[name].model_validate(flavours[name])
    except ValidationError as error:
        raise Refused(
            f"'MLmodel' asks for more than loading a model's data: {_first(error)}.", LOG_AGAIN
        ) from None
    if function.loader_module != LOADER:
        raise Refused(
            f"'MLmodel' has the model loaded by '{function.loader_module[:80]}', which is not on the list.",
            LOG_AGAIN,
        )
    if isinstance(settings, _Sklearn):
        refuse_types(settings.skops_trusted_types or ())
    return (settings.kind, settings) if isinstance(settings, Ours) else (name, None)


def _inputs(signature: _Signature | None) -> tuple[Column, ...]:
    instead = "Give log_model an example: a frame of at least five rows with the columns that the model uses."
    if signature is None or not signature.inputs:
        raise Refused("The model has no signature, so nobody knows which columns it needs.", instead)
    try:
        inputs = TypeAdapter(list[_Input]).validate_json(signature.inputs)
    except ValidationError:
        raise Refused("The model's signature does not name a type for each column.", instead) from None
    names = [column.name for column in inputs]
    if not 0 < len(names) <= _MOST_COLUMNS or len(set(names)) < len(names):
        raise Refused("The model's signature has no columns, too many, or one twice.", instead)
    if not all(name.isprintable() for name in names):
        raise Refused("The model's signature has a column with characters that do not print.", instead)
    return tuple(Column(column.name, column.type, column.required) for column in inputs)


def _notes(metadata: Mapping[str, Any] | None) -> Notes:
    try:
        return Notes.model_validate((metadata or {}).get("civicml", {}))
    except ValidationError as error:
        raise Refused(
            f"The notes in 'MLmodel' are not as log_model writes them: {_first(error)}.", LOG_AGAIN
        ) from None


def check_environment(path: Path) -> None:
    """Requirements are packages by name: an address would be fetched and run by who installs them.

    Raises:
        Refused: something else than a package's name.
    """
    lines: list[Any]
    if path.suffix == ".txt":
        lines = [line for line in read_text(path).splitlines() if line.strip()]
    else:
        said = read_yaml(path)
        if not isinstance(said, dict):
            raise Refused(f"'{path.name}' is not as MLflow writes it.", LOG_AGAIN)
        lines = []
        for entry in [*(said.get("dependencies") or []), *(said.get("build_dependencies") or [])]:
            lines += entry.get("pip") or [] if isinstance(entry, dict) else [entry]
    for line in lines:
        if path.name == "python_env.yaml" and line == "-r requirements.txt":
            continue
        if not isinstance(line, str) or not _REQUIREMENT.fullmatch(line.strip()):
            raise Refused(
                f"'{path.name}' asks for {str(line)[:80]!r}, which is not a package's name.", LOG_AGAIN
            )


def our_flavour(model: Path) -> Ours:
    """How the network or language model in `model` is put together, from its ``MLmodel``.

    Raises:
        Refused: it is of another kind.
    """
    own = read_mlmodel(model / MLMODEL).own
    if own is None:
        raise Refused("The model is not a network of ours.", LOG_AGAIN)
    return own
