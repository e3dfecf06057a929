# ruff: noqa: ANN401 - models and arrays of libraries that may not be there
"""Keeps a model with its run as data: numbers, names and settings, and nothing that runs.

What is written is inspected before it is kept, by the same rules as at a review: what a
review would refuse, the learner hears here.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml.errors import CivicmlError
from civicml.tracking.artefacts.facts import ModelFacts
from civicml.tracking.artefacts.inspecting import inspect
from civicml.tracking.artefacts.writing import write_model

if TYPE_CHECKING:
    import pandas as pd

CODE_TAG = "civicml.code"
COMMIT_TAG = "civicml.commit"
SEED_TAG = "civicml.seed"
MODEL_TAG = "civicml.model"
MODEL_FOLDER = "model"
_MOST_EXAMPLES = 20
_MOST_BESIDE = 50 * 1024 * 1024  # bytes of source and dossier


def log_model(
    model: Any,
    *,
    example: "pd.DataFrame",
    data: str,
    seed: int,
    source: Path | str,
    dossier: Path | str | None = None,
) -> ModelFacts:
    """Keep a fitted model with the open run, in ``model/``, with what is needed to check it.

    Beside it go the training code (``source/``) and the dossier (``dossier/``), and the run gets
    the tags ``civicml.data``, ``civicml.seed``, ``civicml.code`` (SHA-256 of the source),
    ``civicml.commit`` (where the source is in Git) and ``civicml.model`` (SHA-256 of the model's files).

    Args:
        model: a fitted scikit-learn classifier, pipeline or regressor; a `Network`; a `Text` or
            an `Adapter`; or an ONNX model. Its score must lie between 0 and 1.
        example: at least five rows with the columns that the model uses, in its order.
        data: the content hash of the tables that the model was trained on.
        seed: what the training's random numbers began with.
        source: the Python file, or the folder, that trains the model.
        dossier: the folder with the dossier's documents.

    Returns:
        What `inspect` says of the model as it was kept.

    Raises:
        Refused: the model cannot be kept without code, or its scores are no scores.
        CivicmlError: no run is open, it has a model already, or a file is missing.
    """
    import mlflow

    run = mlflow.active_run()
    if run is None:
        raise CivicmlError("No run is open. Log the model inside 'with tracking.start(…):'.")
    if MODEL_TAG in mlflow.get_run(run.info.run_id).data.tags:
        raise CivicmlError("This run has a model already. Open a new run for another one.")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise CivicmlError(f"The seed is {seed!r}; it must be a whole number.")
    if not isinstance(data, str) or not data.strip():
        raise CivicmlError("The content hash of the data is missing; civicml.datasets.content_hash gives it.")
    written = {"source": Path(source)} | ({} if dossier is None else {"dossier": Path(dossier)})
    with tempfile.TemporaryDirectory(prefix="civicml-model-") as temporary:
        place = Path(temporary)
        for name, given in written.items():
            _copy(given, place / name)
        tags = _tags(data, seed, place / "source", Path(source))
        notes = {"data": data, "seed": seed, "code": tags[CODE_TAG]}
        write_model(model, example.head(_MOST_EXAMPLES), place / MODEL_FOLDER, notes)
        facts = inspect(place)
        mlflow.log_artifacts(str(place))
        mlflow.set_tags(tags | {MODEL_TAG: facts.sha256})
    return facts


def _copy(given: Path, place: Path) -> None:
    """Copy a file or a folder of plain files; links and caches stay behind."""
    place.mkdir(parents=True)
    if given.is_file() and not given.is_symlink():
        shutil.copyfile(given, place / given.name)
        return
    if not given.is_dir() or given.is_symlink():
        raise CivicmlError(f"There is no file or folder '{given}'.")
    size = 0
    for folder, folders, files in os.walk(given):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file():
                raise CivicmlError(f"'{path}' is not an ordinary file; put the file itself there.")
            size += path.stat().st_size
            if size > _MOST_BESIDE:
                raise CivicmlError(f"'{given}' is larger than {_MOST_BESIDE // 1024**2} MB.")
            target = place / path.relative_to(given)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _tags(data: str, seed: int, copied: Path, source: Path) -> dict[str, str]:
    from civicml.tracking import DATA_TAG

    tags = {DATA_TAG: data, SEED_TAG: str(seed), CODE_TAG: source_hash(copied)}
    commit = _commit(source)
    return tags if commit is None else tags | {COMMIT_TAG: commit}


def source_hash(folder: Path) -> str:
    """The version of training code: ``sha256:`` and the hash of every file's name and content."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\n{path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def _commit(source: Path) -> str | None:
    """The Git commit that the source is at, marked where the file has changed since; None outside Git."""
    folder = source if source.is_dir() else source.parent
    git = shutil.which("git")
    if git is None:
        return None
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--", str(source.resolve())])
    said = []
    for command in commands:
        done = subprocess.run(  # noqa: S603 (git, with arguments of ours)
            [git, "-C", str(folder.resolve()), *command], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return None
        said.append(done.stdout.strip())
    return f"{said[0]}{' with changes' if said[1] else ''}"
