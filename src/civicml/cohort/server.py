"""The cohort's tracking server: who gets an account on it, and where its private folder is.

Learners are those in ``learners.csv``, reviewers those in ``reviewers.csv``. It must not know how MLflow
keeps accounts, or how a database is reached.
"""

from pathlib import Path

from civicml.cohort.directory import Cohort, read_learners
from civicml.errors import CivicmlError
from civicml.tracking import Server
from civicml.tracking.accounts import Changes, renew_password, set_accounts
from civicml.tracking.shared import SETTINGS, TEMPLATE, prepare_folder, read_shared, serve_shared

FOLDER = "server"
REVIEWERS_FILE = "reviewers.csv"


def prepare_server(cohort: Cohort) -> Path:
    """Make the server's folder when there is none, and give its place.

    Raises:
        CivicmlError: the settings are new, so that somebody must look at them first.
    """
    template = cohort.course.root / TEMPLATE
    try:
        text = template.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CivicmlError(f"There is no '{template}', which the server takes its settings from.") from None
    folder = cohort.root / FOLDER
    if prepare_folder(folder, text):
        raise CivicmlError(
            f"The settings of the cohort's server are new: '{folder / SETTINGS}'. Look at them, above all at "
            "database and artifacts, and run this again."
        )
    return folder


def update_accounts(cohort: Cohort) -> Changes:
    """Give everyone on the cohort's lists an account, and take away those of people who have left.

    Raises:
        CivicmlError: a list or the settings cannot be used, or the database does not answer.
    """
    folder = prepare_server(cohort)
    settings, secrets = read_shared(folder)
    reviewers = cohort.root / REVIEWERS_FILE
    return set_accounts(
        folder,
        settings,
        secrets,
        learners=[one.id for one in cohort.learners()],
        reviewers=[one.id for one in read_learners(reviewers)] if reviewers.exists() else [],
    )


def renew(cohort: Cohort, name: str) -> Path:
    """A new password for one person; gives the file it is in.

    Raises:
        CivicmlError: there is no such account, or the database does not answer.
    """
    folder = prepare_server(cohort)
    return renew_password(folder, *read_shared(folder), name)


def start_server(cohort: Cohort, port: int | None = None) -> Server:
    """Start the server; its accounts are up to date by then: see `update_accounts`.

    Raises:
        CivicmlError: the settings cannot be used, or the port is taken.
    """
    folder = prepare_server(cohort)
    return serve_shared(folder, *read_shared(folder), port)
