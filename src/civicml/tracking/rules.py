"""What the cohort's tracking server refuses on top of MLflow's own permissions.

MLflow 3.17 asks for one and the same permission to add a version to a model and to move the model's
alias, and makes whoever creates a model its manager. So it cannot let a learner register a version and
keep the decision about it for reviewers. The rules here can. They are a list of what may be written;
whatever is not on it is refused. They only ever take away: who may read or write which experiment stays
with MLflow. This module must not know MLflow, or how somebody is signed in.
"""

import posixpath
import re
from collections.abc import Collection
from enum import StrEnum
from urllib.parse import unquote

CAPSTONE = "capstone-"
"""What the names of models that are reviewed begin with."""
CANDIDATE = "candidate"
"""The alias of the version that waits for a review; the server moves it, nobody else need."""
REVIEW = "review"
"""The folder in a run's artefacts where a review is kept."""
LEARNERS_TAGS = ("week", "learner", "data", "seed", "code", "commit", "model", "domain")
"""Of the tags ``civicml.…``, those that a learner may give a version; the rest say what was decided."""

_OURS = "civicml."
_OF_A_REVIEW = "civicml.review"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_API = re.compile(r"/(?:ajax-)?api/\d+\.\d+/?(?P<operation>mlflow.*)")
_ARTEFACT = "mlflow-artifacts/artifacts/"
_A_RUNS_FILE = re.compile(r"[^/]+/[^/]+/artifacts/(?P<path>.*)", re.DOTALL)


class Role(StrEnum):
    """What somebody is on the server. Who is nothing else is a learner."""

    LEARNER = "learner"
    REVIEWER = "reviewer"
    INSTRUCTOR = "instructor"


def _operations(*lines: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{line})" for line in lines))


# Questions that are asked with POST, and the change of one's own password: open to everyone.
_FOR_ALL = _operations(
    r"POST mlflow/(?:runs|experiments|logged-models|model-versions|traces)/search",
    r"POST mlflow/experiments/search-datasets",
    r"POST mlflow/registered-models/get-latest-versions",
    r"POST mlflow/traces/(?:batchGetInfos|metrics|calculate-filter-correlation)",
    r"POST mlflow/(?:review-queues|scorers|datasets)/search",
    r"POST mlflow/ui-telemetry",
    r"PATCH mlflow/users/update-password",
)
_FOR_LEARNERS = _operations(
    r"POST mlflow/runs/(?:create|update|log-metric|log-parameter|log-batch|log-inputs|log-model|outputs)",
    r"POST mlflow/runs/(?:set-tag|delete-tag)",
    r"POST mlflow/logged-models(?:/[^/]+/params)?",
    r"PATCH mlflow/logged-models/[^/]+(?:/tags)?",
    r"POST mlflow/traces",
    r"(?:PATCH|DELETE) mlflow/traces/[^/]+(?:/tags)?",
    r"POST mlflow/traces/link-to-run",
    r"POST mlflow/(?:registered-models|model-versions)/create",
)
_NOT_FOR_LEARNERS_EYES = _operations(r"(?:GET|HEAD) mlflow/(?:users/list|roles/.*)")
_FOR_REVIEWERS = _operations(
    r"(?:POST|DELETE) mlflow/registered-models/alias",
    r"POST mlflow/(?:registered-models|model-versions|runs)/set-tag",
    r"PATCH mlflow/model-versions/update",
)


def refusal(role: Role, method: str, path: str, tags: Collection[str] = ()) -> str | None:
    """Why a request is refused, in one sentence; None when MLflow is to decide.

    Args:
        role: what the person who asks is on this server.
        method: the request's HTTP method.
        path: the address asked for, below the server's root, decoded once.
        tags: the names of the tags that the request sets or takes away.
    """
    match = _API.fullmatch(path)
    operation = "" if match is None else match["operation"]
    wanted = f"{method} {operation}"
    if role is Role.LEARNER and _NOT_FOR_LEARNERS_EYES.fullmatch(wanted):
        return "Who else has an account is not shown to learners."
    if role is Role.INSTRUCTOR or method in _READING or path == "/graphql":
        return None
    if method == "PUT" and operation.startswith(_ARTEFACT):
        return _refused_file(role, operation.removeprefix(_ARTEFACT))
    allowed = _FOR_REVIEWERS if role is Role.REVIEWER else _FOR_LEARNERS
    if not (_FOR_ALL.fullmatch(wanted) or allowed.fullmatch(wanted)):
        return _said(role, operation)
    return _refused_tag(role, operation, tags)


def _refused_file(role: Role, path: str) -> str | None:
    """A review's files are written by reviewers only, and reviewers write nothing else."""
    match = _A_RUNS_FILE.fullmatch(_plain(path))
    top = "" if match is None else match["path"].partition("/")[0].casefold()
    if (top == REVIEW) == (role is Role.REVIEWER):
        return None
    if role is Role.REVIEWER:
        return f"A reviewer adds files to a run only below '{REVIEW}/'."
    return f"What lies below '{REVIEW}/' in a run is written by reviewers only."


def _plain(path: str) -> str:
    """The path as MLflow will come to understand it: it decodes until nothing is left to decode."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return posixpath.normpath(path.replace("\\", "/")).lstrip("/")


def _refused_tag(role: Role, operation: str, names: Collection[str]) -> str | None:
    """A run's tags are its learner's, but for the review's; of a version's, only some are."""
    of_a_run = operation.startswith("mlflow/runs/")
    own = {_OURS + name for name in LEARNERS_TAGS}
    for name in sorted(names):
        plain = name.casefold().strip()
        if role is Role.REVIEWER:
            if of_a_run and not plain.startswith(_OF_A_REVIEW):
                return f"A reviewer gives a run no other tags than '{_OF_A_REVIEW}…'."
        elif plain.startswith(_OF_A_REVIEW) or (not of_a_run and plain.startswith(_OURS) and name not in own):
            return f"The tag '{name}' is set by a reviewer only."
    return None


def _said(role: Role, operation: str) -> str:
    if operation == "mlflow/registered-models/alias":
        return "Only a reviewer moves an alias, with 'civicml decide'. What you register is the candidate."
    if operation == "mlflow/experiments/create":
        return "Everyone's experiment is made by the instructor, with 'civicml server accounts'."
    if operation == "mlflow/runs/create":
        return "A reviewer logs no runs; runs belong to learners."
    return f"A {role} may not do this on the cohort's tracking server."
