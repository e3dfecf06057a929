"""Reads a model's files and says what they are, or refuses them; executes nothing of theirs.

Everything here is written for files that somebody prepared to do harm: names, sizes and
contents are checked before a library reads them. It must not load a model.
"""

import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NoReturn

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from civicml.tracking.artefacts.content import code_in
from civicml.tracking.artefacts.facts import CodeFound, Column, File, ModelFacts, Refused
from civicml.tracking.artefacts.reviewed import (
    LOADERS,
    ONNX_FILE,
    OUR_FLAVOUR,
    SKOPS_FILE,
    skops_types,
)

LARGEST_MODEL = 500 * 1024 * 1024  # bytes
_MOST_FILES = 2_000
_MOST_TEXT = 2 * 1024 * 1024  # bytes of a settings file
_MOST_SCHEMA = 64 * 1024 * 1024  # bytes of a skops file's description of its objects
_MOST_COLUMNS = 5_000
_LEAST_EXAMPLES = 5
_MLMODEL = "MLmodel"
_EXAMPLE = "input_example.json"
_ENVIRONMENT = ("conda.yaml", "python_env.yaml", "requirements.txt")
_ALWAYS = frozenset({_MLMODEL, _EXAMPLE, "serving_input_example.json", *_ENVIRONMENT})
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[\w,-]+\])?\s*([=<>!~]=?\s*[\w.+!*]+)?")

LOG_AGAIN = "Log the model again with artefacts.log_model, which writes nothing else."
SAVE_SAFELY = (
    "Save a scikit-learn model with skops, a network as safetensors with its architecture by name, or either as "
    "ONNX: artefacts.log_model does so."
)


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


class _Notes(_Strict):
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


class _Example(_Strict):
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
    inner = "" if PurePosixPath(_MLMODEL) in found else "model/"
    model = folder / inner
    names = {str(path).removeprefix(inner) for path in found if str(path).startswith(inner)}
    if _MLMODEL not in names:
        raise Refused("There is no MLmodel file, so this is not a model that MLflow knows.", LOG_AGAIN)
    described = _described(model / _MLMODEL)
    kind, own = _flavour(described.flavors)
    columns = _inputs(described.signature)
    _refuse_strangers(names, _expected(kind, own))
    for name in _ENVIRONMENT:
        _check_environment(model / name)
    notes = _notes(described.metadata)
    types = _types(kind, model, own, limit)
    described_files = tuple(_described_file(model, name) for name in sorted(names))
    return ModelFacts(
        kind=kind,
        inputs=columns,
        example_rows=_example_rows(model / _EXAMPLE, columns),
        files=described_files,
        sha256=_tree_hash(described_files),
        types=types,
        data=notes.data,
        code=notes.code,
        seed=notes.seed,
        versions=notes.versions,
    )


def our_flavour(model: Path) -> Ours:
    """How the network or language model in `model` is put together, from its ``MLmodel``.

    Raises:
        Refused: it is of another kind.
    """
    _, own = _flavour(_described(model / _MLMODEL).flavors)
    if own is None:
        raise Refused("The model is not a network of ours.", LOG_AGAIN)
    return own


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
            "Hand in a smaller model: fewer trees, shorter categories, or an adapter in place of all weights.",
        )


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB" if size >= 1024**2 else f"{size:,} bytes"


def _refuse_code(folder: Path, path: PurePosixPath) -> None:
    what = code_in(folder / path)
    if what is not None:
        raise CodeFound(f"'{path}' is {what}: loading it can run any code.", SAVE_SAFELY)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_TEXT:
            raise Refused(f"'{path.name}' is larger than any file of settings.", LOG_AGAIN)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refused(f"There is no '{path.name}'.", LOG_AGAIN) from None
    except UnicodeDecodeError:
        raise Refused(f"'{path.name}' is not text.", LOG_AGAIN) from None


def _read_yaml(path: Path) -> Any:
    text = _read_text(path)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise Refused(f"'{path.name}' refers back to parts of itself.", LOG_AGAIN)
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Refused(f"'{path.name}' is not YAML that can be read.", LOG_AGAIN) from None


def _described(path: Path) -> _MLmodel:
    try:
        return _MLmodel.model_validate(_read_yaml(path))
    except ValidationError as error:
        raise Refused(f"'MLmodel' is not as MLflow writes it: {_first(error)}.", LOG_AGAIN) from None


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _flavour(flavours: Mapping[str, dict[str, Any]]) -> tuple[str, Ours | None]:
    """The kind of model, and our own description of it where it is of our own flavour."""
    named = sorted(set(flavours) - {"python_function"})
    if len(named) != 1 or named[0] not in LOADERS:
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
        settings = {"sklearn": _Sklearn, "onnx": _Onnx, OUR_FLAVOUR: Ours}[name].model_validate(
            flavours[name]
        )
    except ValidationError as error:
        raise Refused(
            f"'MLmodel' asks for more than loading a model's data: {_first(error)}.", LOG_AGAIN
        ) from None
    if function.loader_module != LOADERS[name]:
        raise CodeFound(
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
    return tuple(Column(column.name, column.type, column.required) for column in inputs)


def _example_rows(path: Path, columns: tuple[Column, ...]) -> int:
    try:
        example = _Example.model_validate_json(_read_text(path))
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
    text = {"text/config.json", "text/tokenizer.json", "text/tokenizer_config.json"}
    if kind == "transformers":
        return _ALWAYS | text | {"text/model.safetensors"}
    return _ALWAYS | text | {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"}


def _refuse_strangers(names: set[str], expected: frozenset[str]) -> None:
    strangers = sorted(names - expected)
    if strangers:
        raise Refused(f"'{strangers[0]}' does not belong to a model of this kind.", LOG_AGAIN)
    missing = sorted(expected - names)
    if missing:
        raise Refused(f"'{missing[0]}' is missing.", LOG_AGAIN)


def _check_environment(path: Path) -> None:
    """Requirements are packages by name: a path or an address would be fetched and run by who installs them."""
    lines: list[Any]
    if path.suffix == ".txt":
        lines = [line for line in _read_text(path).splitlines() if line.strip()]
    else:
        said = _read_yaml(path)
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


def _notes(metadata: Mapping[str, Any] | None) -> _Notes:
    try:
        return _Notes.model_validate((metadata or {}).get("civicml", {}))
    except ValidationError as error:
        raise Refused(
            f"The notes in 'MLmodel' are not as log_model writes them: {_first(error)}.", LOG_AGAIN
        ) from None


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
            named = _files_named(json.loads(archive.read("schema.json")))
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        RecursionError,
        NotImplementedError,
        RuntimeError,
        OSError,
    ):
        raise broken from None
    extra = sorted(set(names) - named - {"schema.json"})
    if extra:
        raise Refused(f"'{path.name}' carries '{extra[0]}', which is no part of the model.", LOG_AGAIN)


def _files_named(schema: Any) -> set[str]:
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
        instead = "Log what the search found: search.best_estimator_."
    elif any(
        name.startswith("__main__.") or not name.startswith(("sklearn.", "numpy.", "scipy."))
        for name in strangers
    ):
        instead = (
            "A function or class of your own cannot travel with a model: compute that column in the frame, or use a "
            "transformer of scikit-learn."
        )
    else:
        instead = "Use another estimator, or ask for the type to be reviewed: skops_types.toml says how."
    raise CodeFound(f"The model needs {said}{more}, which nobody has reviewed.", instead)


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
