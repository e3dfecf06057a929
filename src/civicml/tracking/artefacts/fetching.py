"""Brings a version's files to this machine: names, kinds and sizes are checked before anything is copied.

The registry's own word is not taken for where the files are: only the artefacts of the
version's run are fetched, from the store's own place. It must not open what it brings.
"""

import os
import stat
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from civicml.errors import CivicmlError
from civicml.tracking.artefacts.refusing import LARGEST_MODEL, LOG_AGAIN, Refused, refuse_name, refuse_size
from civicml.tracking.artefacts.saving import MODEL_FOLDER

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.tracking import MlflowClient

    from civicml.tracking.store import Store

_BLOCK = 1 << 20
_MOST_DEPTH = 20
_WAIT = "Wait until the run has ended, and fetch again."
_REGISTER_AGAIN = "Hand the run in again with artefacts.register."


@dataclass(frozen=True)
class Fetched:
    """A version's files on this machine, and what the registry says of where they come from.

    Tags, parameters and metrics are the learner's word. `learner` is the owner of the experiment.
    """

    model: str
    version: int
    folder: Path  # model/, source/, dossier/ …
    run_id: str
    learner: str
    began: datetime  # of the run, UTC
    tags: Mapping[str, str]  # of the run
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    version_tags: Mapping[str, str]


def fetch(model: str, version: int, destination: Path, limit_bytes: int = LARGEST_MODEL) -> Fetched:
    """Bring the files of a version's run into a new folder `destination`: all of them, or none.

    Args:
        model: the registered model, such as ``capstone-health-missed-appointments``.
        version: its version.
        destination: a folder that does not exist yet.
        limit_bytes: how much there may be in all; more is refused before it is copied.

    Raises:
        Refused: the files are too many or too large, have names that lead elsewhere, are links,
            or the version points to something else than its run's model.
        CivicmlError: there is no such version, or `destination` is taken.
    """
    from civicml.tracking import _open_store

    if destination.exists():
        raise CivicmlError(f"'{destination}' is there already; give a folder that does not exist yet.")
    with _open_store() as (store, client):
        found, run = _version(client, model, version)
        source = _source(store, found, run)
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=destination.parent) as temporary:
            place = Path(temporary, "files")
            place.mkdir()
            if source is None:
                _download(run, place, limit_bytes)
            else:
                _copy(source, place, limit_bytes)
            place.rename(destination)
        experiment = client.get_experiment(run.info.experiment_id)
    return Fetched(
        model=model,
        version=int(version),
        folder=destination,
        run_id=run.info.run_id,
        learner=str(experiment.name),
        began=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        tags=dict(run.data.tags),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        version_tags=dict(found.tags),
    )


def _version(client: "MlflowClient", model: str, version: int) -> "tuple[ModelVersion, Run]":
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version(model, str(int(version)))
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise CivicmlError(f"There is no version {version} of '{model}'.") from None
    if not found.run_id:
        raise Refused(f"Version {version} of '{model}' belongs to no run.", _REGISTER_AGAIN)
    try:
        return found, client.get_run(found.run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise Refused(
            f"The run of version {version} of '{model}' is not there any more.", _REGISTER_AGAIN
        ) from None


def _source(store: "Store", version: "ModelVersion", run: "Run") -> Path | None:
    """The run's folder of artefacts; None when the server hands them out."""
    place = str(run.info.artifact_uri).rstrip("/")
    if str(version.source).rstrip("/") not in (
        f"{place}/{MODEL_FOLDER}",
        f"runs:/{run.info.run_id}/{MODEL_FOLDER}",
    ):
        raise Refused("The version points to files that are not its run's model.", _REGISTER_AGAIN)
    if run.info.lifecycle_stage == "deleted":
        raise Refused("The run of this version has been deleted.", _REGISTER_AGAIN)
    parts = urllib.parse.urlsplit(place)
    if parts.scheme == "mlflow-artifacts" and not parts.netloc:  # with a host it would be that host's
        return None
    folder = Path(urllib.request.url2pathname(parts.path) if parts.scheme == "file" else place).resolve()
    if parts.scheme not in ("", "file") or store.artifacts is None:
        raise Refused(
            "The run keeps its files where the store does not.", "Log it in the cohort's own store."
        )
    if not folder.is_relative_to(store.artifacts.resolve()):
        raise Refused(
            "The run keeps its files outside the store.", "Log it in an experiment of the cohort's store."
        )
    return folder


def _copy(source: Path, place: Path, limit: int) -> None:
    """Copy a folder that others can write to: no link is followed, and no more than `limit` is written."""
    if not source.is_dir():
        raise Refused("The run has no files.", LOG_AGAIN)
    files = _listed(source, limit)
    written = 0
    # Folders are opened one within the other, without following links: what is swapped meanwhile is not read.
    for folder, _, names, handle in os.fwalk(source, follow_symlinks=False):
        within = Path(folder).relative_to(source)
        (place / within).mkdir(exist_ok=True)
        for name in names:
            relative = PurePosixPath((within / name).as_posix())
            size = _copy_file(name, handle, place / relative, limit - written)
            if size != files.get(relative):
                raise Refused(f"'{relative}' changed while it was copied.", _WAIT)
            written += size
    if written != sum(files.values()):
        raise Refused("Files went away while they were copied.", _WAIT)


def _copy_file(name: str, folder: int, target: Path, limit: int) -> int:
    """Copy one ordinary file out of an open folder; gives how many bytes."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        raise Refused(f"'{name}' cannot be read.", LOG_AGAIN) from None
    written = 0
    with os.fdopen(handle, "rb") as reading, target.open("wb") as writing:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused(f"'{name}' is not an ordinary file.", LOG_AGAIN)
        while block := reading.read(_BLOCK):
            written += len(block)
            refuse_size(0, written, limit)
            writing.write(block)
    return written


def _listed(source: Path, limit: int) -> dict[PurePosixPath, int]:
    """Every file and its size, no link followed."""
    found: dict[PurePosixPath, int] = {}
    for folder, folders, files in os.walk(source):
        for name in (*folders, *files):
            path = Path(folder, name)
            relative = PurePosixPath(path.relative_to(source).as_posix())
            refuse_name(str(relative))
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[relative] = status.st_size
            elif not stat.S_ISDIR(status.st_mode):
                raise Refused(f"'{relative}' is a link, or no ordinary file.", "Hand in the file itself.")
        refuse_size(len(found), sum(found.values()), limit)
    return found


def _download(run: "Run", place: Path, limit: int) -> None:
    """Have the server hand out the run's files, one by one, after all have been listed and checked."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(run.info.artifact_uri)
    files = _listed_there(repository, limit)
    if not files:
        raise Refused("The run has no files.", LOG_AGAIN)
    for path, size in files.items():
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        repository._download_file(path, str(target))  # type: ignore[no-untyped-call]
        if target.stat().st_size != size:
            raise Refused(f"'{path}' is not of the size that the server gave.", _WAIT)


def _listed_there(repository: "ArtifactRepository", limit: int) -> dict[str, int]:
    found: dict[str, int] = {}
    open_folders: list[str | None] = [None]
    while open_folders:
        folder = open_folders.pop()
        for entry in repository.list_artifacts(folder):
            refuse_name(entry.path)
            if folder is not None and not entry.path.startswith(f"{folder}/"):
                raise Refused(f"The file name {entry.path!r} leads out of its folder.", LOG_AGAIN)
            if entry.is_dir:
                if entry.path.count("/") > _MOST_DEPTH:
                    raise Refused("The folders go too deep.", LOG_AGAIN)
                open_folders.append(entry.path)
            else:
                found[entry.path] = int(entry.file_size or 0)
        refuse_size(len(found) + len(open_folders), sum(found.values()), limit)
    return found
