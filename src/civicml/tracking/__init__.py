"""Where runs go, in one line of a notebook, and reading them back.

`start` opens a run in the cohort's MLflow store; after it plain `mlflow.log_metric`
and the rest work as usual. It must not know how a lab is released or graded.
"""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

# MLflow reads these when it is imported, so they are set before anything here can import it.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # no warning on a machine without git

from civicml.errors import CivicmlError
from civicml.learner import current_learner, valid_id
from civicml.tracking.server import Server, ServerSettings, read_settings, serve
from civicml.tracking.store import Store, find_store, prepare_store

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import ActiveRun
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = [
    "Server",
    "ServerSettings",
    "Store",
    "find_store",
    "last_run",
    "prepare_store",
    "read_settings",
    "runs",
    "serve",
    "start",
]

WEEK_TAG = "civicml.week"
LEARNER_TAG = "civicml.learner"
DATA_TAG = "civicml.data"
_MOST_EXPERIMENTS = 10_000
COLUMNS = ("learner", "week", "run_name", "started", "status", "run_id")

if "mlflow.telemetry" in sys.modules:
    # The notebook imported MLflow first. Nothing has been sent yet: that begins with the first run.
    from mlflow.telemetry import set_telemetry_client

    set_telemetry_client()  # type: ignore[no-untyped-call]


def start(week: str, run_name: str | None = None, *, data: str | None = None) -> "ActiveRun":
    """Open a run for the learner at this notebook; use it in a ``with`` statement.

    The run belongs to the learner's own experiment and carries the week, so that
    `runs` can find it again.

    Args:
        week: which week's work this is, such as ``"week01"``.
        run_name: what to call the run; MLflow makes up a name when none is given.
        data: the content hash of the data used, kept with the run when given.

    Returns:
        MLflow's own context manager for the run.

    Raises:
        CivicmlError: the store cannot be read or written, or a run is still open.
    """
    tags = {WEEK_TAG: _week_name(week), LEARNER_TAG: current_learner()}
    tags["mlflow.user"] = tags[LEARNER_TAG]  # under JupyterHub all may be one operating-system user
    if data is not None:
        tags[DATA_TAG] = data
    with _open_store() as (store, client):
        import mlflow

        if (open_run := mlflow.active_run()) is not None:
            raise CivicmlError(
                f"The run '{open_run.info.run_name}' is still open. End it with mlflow.end_run(), and write "
                "'with tracking.start(…):' so that a run ends by itself."
            )
        experiment = _experiment(client, store, tags[LEARNER_TAG])
        return mlflow.start_run(experiment_id=experiment, run_name=run_name, tags=tags)


def runs(week: str | None = None, learner: str | None = None) -> "pd.DataFrame":
    """The runs in the store, the newest first, one row a run.

    Args:
        week: only this week's runs; every week's when not given.
        learner: only this learner's runs; everyone's when not given.

    Returns:
        A frame with the columns ``learner``, ``week``, ``run_name``, ``started`` (UTC),
        ``status``, ``run_id``, and then one column for each parameter (``params.<name>``,
        text) and each metric (``metrics.<name>``, its last value).

    Raises:
        CivicmlError: the store cannot be read.
    """
    import pandas as pd

    found = _search(week, learner)
    rows = [
        {
            "learner": run.data.tags.get(LEARNER_TAG, run.data.tags.get("mlflow.user")),
            "week": run.data.tags.get(WEEK_TAG),
            "run_name": run.info.run_name,
            "started": pd.Timestamp(run.info.start_time, unit="ms", tz="UTC").floor("s"),
            "status": run.info.status,
            "run_id": run.info.run_id,
            **{f"params.{name}": value for name, value in run.data.params.items()},
            **{f"metrics.{name}": value for name, value in run.data.metrics.items()},
        }
        for run in found
    ]
    frame = pd.DataFrame(rows, columns=None if rows else list(COLUMNS))
    params = sorted(name for name in frame.columns if name.startswith("params."))
    metrics = sorted(name for name in frame.columns if name.startswith("metrics."))
    return frame[[*COLUMNS, *params, *metrics]]


def last_run(week: str, learner: str | None = None) -> "Run":
    """The newest run of `week`, as MLflow gives it (``run.data.metrics``, ``run.info.run_id``, …).

    Args:
        week: which week's work to look for.
        learner: whose; the learner at this notebook when not given.

    Raises:
        CivicmlError: there is no such run, or the store cannot be read.
    """
    learner = learner or current_learner()
    found = _search(week, learner, at_most=1)
    if not found:
        raise CivicmlError(
            f"{learner} has no run for {_week_name(week)} yet. Log one with "
            f"'with tracking.start(\"{_week_name(week)}\"):'."
        )
    return found[0]


def _search(week: str | None, learner: str | None, at_most: int = 100_000) -> "list[Run]":
    condition = "" if week is None else f"tags.`{WEEK_TAG}` = '{_week_name(week)}'"
    with _open_store() as (_, client):
        import mlflow

        if learner is None:
            experiments = list(client.search_experiments(max_results=_MOST_EXPERIMENTS))
        else:
            own = client.get_experiment_by_name(valid_id(learner))
            experiments = [] if own is None else [own]
        if not experiments:
            return []
        found: list[Run] = mlflow.search_runs(
            [experiment.experiment_id for experiment in experiments],
            filter_string=condition,
            order_by=["attributes.start_time DESC"],
            max_results=at_most,
            output_format="list",
        )
        return found


def _week_name(week: str) -> str:
    """``week01`` for what a person would type: ``week01``, ``week1``, ``1``, ``week01_workbench``."""
    match = re.fullmatch(r"(?:week)?0*([1-9][0-9]?)(?:_\w+)?", week)
    if match is None:
        raise CivicmlError(f"'{week}' is not a week; write it as 'week01'.")
    return f"week{int(match[1]):02d}"


@contextmanager
def _open_store() -> "Iterator[tuple[Store, MlflowClient]]":
    """Point MLflow at the store, and turn what it says about a broken one into a sentence."""
    store = find_store()
    _quieten()
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        _point_mlflow_at(store)
        yield store, mlflow.MlflowClient()
    except (MlflowException, OSError) as error:
        raise CivicmlError(f"The MLflow store at {store.uri} cannot be used: {_reason(error)}.") from None


def _point_mlflow_at(store: Store) -> None:
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(store.uri)
    # MLflow also writes the variable. Left there it would look like the user's own choice, and
    # outlive a change of cohort.
    if before is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = before


def _quieten() -> None:
    # A failing store is logged with its whole traceback; `_open_store` says it in one sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _experiment(client: "MlflowClient", store: Store, learner: str) -> str:
    """The id of the learner's experiment, made when it is not there, brought back when deleted."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(learner)
    if found is None:
        place = None if store.artifacts is None else (store.artifacts / learner).as_uri()
        try:
            return str(client.create_experiment(learner, artifact_location=place))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(learner)  # another notebook was quicker
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _reason(error: Exception) -> str:
    """The first line of an error, without SQLAlchemy's wrapping and without a full stop."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return re.sub(r"^\([\w.]+\) ", "", first).rstrip(".")
