"""Who may sign in to the cohort's tracking server, and what MLflow's own permissions let them do.

Works on the server's database, so that no administrator's password goes over the network. A first
password is drawn for everyone and kept in a file of its own, in the form that MLflow's client reads. It
must not know where the lists of people come from.
"""

import configparser
import io
import logging
import secrets
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from civicml.errors import CivicmlError
from civicml.learner import valid_id
from civicml.tracking.rules import Role
from civicml.tracking.shared import (
    ACCOUNTS,
    Secrets,
    SharedSettings,
    check_database,
    database_password,
    write_private,
)

if TYPE_CHECKING:
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore as AuthStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as RunStore

INSTRUCTOR = "instructor"
"""The account that MLflow calls an administrator: it may do everything."""

# A learner's right to one's own experiment, and the registrar's to one's own model, are given one by one.
# Here is what everyone of a kind may do. READ on versions keeps learners from writing to a version, their
# own too, once it is registered: MLflow then asks for no more than this role gives.
_GRANTS: Mapping[Role, Collection[tuple[str, str]]] = {
    Role.LEARNER: (("registered_model_version", "READ"),),
    Role.REVIEWER: (
        ("experiment", "READ"),
        ("run", "EDIT"),  # the review's own files and tags; the rules allow no others
        ("registered_model", "MANAGE"),  # MLflow asks for no less when an alias is taken away
        ("registered_model_version", "EDIT"),
    ),
}
_OWN_EXPERIMENT = "EDIT"


@dataclass(frozen=True)
class Changes:
    """What became of the accounts.

    Attributes:
        added: who has a new account, and a first password in the folder of accounts.
        removed: whose account is gone, because they are on no list any more; their runs stay.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]


def set_accounts(
    folder: Path,
    settings: SharedSettings,
    secret: Secrets,
    *,
    learners: Collection[str],
    reviewers: Collection[str],
) -> Changes:
    """Bring the database to its schema, and its accounts to the lists; doing so twice changes nothing.

    Args:
        folder: the server's private folder.
        settings: where the database is.
        secret: its password.
        learners: the ids of who is enrolled; each gets an experiment that bears the id.
        reviewers: the ids of who reviews capstones.

    Raises:
        CivicmlError: somebody is on both lists, or the database cannot be used.
    """
    people = _people(learners, reviewers)
    check_database(folder, settings, secret)
    with _quiet(), database_password(secret), _stores(settings) as (accounts, runs):
        known = {user.username for user in accounts.list_users()}
        added = [name for name in people if name not in known]
        for name in added:
            password = _first_password(folder / ACCOUNTS / f"{name}.ini", name)
            accounts.create_user(name, password, is_admin=people[name] is Role.INSTRUCTOR)
        roles = {role: _role(accounts, role) for role in _GRANTS}
        for name, role in people.items():
            _give_role(accounts, name, role, roles)
        for name in learners:
            accounts.grant_user_permission(name, "experiment", _experiment(runs, name), _OWN_EXPERIMENT)
        removed = sorted(known - set(people))
        for name in removed:
            accounts.delete_user(name)
            (folder / ACCOUNTS / f"{name}.ini").unlink(missing_ok=True)
    return Changes(tuple(added), tuple(removed))


def renew_password(folder: Path, settings: SharedSettings, secret: Secrets, name: str) -> Path:
    """Draw a new password for somebody who has lost theirs, and give the file it is in.

    Raises:
        CivicmlError: nobody of this name has an account, or the database cannot be used.
    """
    check_database(folder, settings, secret)
    path = folder / ACCOUNTS / f"{valid_id(name)}.ini"
    with _quiet(), database_password(secret), _stores(settings) as (accounts, _):
        if not accounts.has_user(name):
            raise CivicmlError(f"'{name}' has no account on the cohort's tracking server.")
        path.unlink(missing_ok=True)
        accounts.update_user(name, password=_first_password(path, name))
    return path


def _people(learners: Collection[str], reviewers: Collection[str]) -> dict[str, Role]:
    if INSTRUCTOR in learners or INSTRUCTOR in reviewers:
        raise CivicmlError(f"'{INSTRUCTOR}' is the server's own account; give this person another id.")
    both = sorted(set(learners) & set(reviewers))
    if both:
        raise CivicmlError(
            f"'{both[0]}' is both a learner and a reviewer. Give the reviewer an id of its own: a learner's "
            "account never moves an alias."
        )
    people = {INSTRUCTOR: Role.INSTRUCTOR}
    people |= {valid_id(name): Role.LEARNER for name in learners}
    return people | {valid_id(name): Role.REVIEWER for name in reviewers}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what MLflow's libraries say of each other from whoever starts the server."""
    for noisy in ("alembic", "mlflow.store.db.utils", "mlflow.server.auth"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        yield


@contextmanager
def _stores(settings: SharedSettings) -> "Iterator[tuple[AuthStore, RunStore]]":
    from mlflow.exceptions import MlflowException
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore as AuthStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as RunStore
    from sqlalchemy.exc import SQLAlchemyError

    try:
        runs = RunStore(settings.database, "mlflow-artifacts:/")  # type: ignore[no-untyped-call]
        accounts = AuthStore()
        accounts.init_db(settings.database)  # type: ignore[no-untyped-call]
        try:
            yield accounts, runs
        finally:
            accounts.engine.dispose()
            runs._dispose_engine()  # type: ignore[no-untyped-call]
    except (MlflowException, SQLAlchemyError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise CivicmlError(f"The database {settings.database} cannot be used: {said}.") from None


def _experiment(runs: "RunStore", name: str) -> str:
    found = runs.get_experiment_by_name(name)  # type: ignore[no-untyped-call]
    return str(found.experiment_id if found else runs.create_experiment(name))  # type: ignore[no-untyped-call]


def _first_password(path: Path, name: str) -> str:
    """A password that is in its file before it is anybody's; the one in the file after a broken start."""
    written = configparser.ConfigParser(interpolation=None)
    if path.exists():
        written.read(path, encoding="utf-8")
        return written["mlflow"]["mlflow_tracking_password"]
    password = secrets.token_urlsafe(18)
    written["mlflow"] = {"mlflow_tracking_username": name, "mlflow_tracking_password": password}
    text = io.StringIO()
    written.write(text)
    write_private(path, text.getvalue())
    return password


def _role(accounts: "AuthStore", role: Role) -> int:
    """The id of the role in MLflow, with exactly the permissions it is to have."""
    from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

    found = [one for one in accounts.list_roles([DEFAULT_WORKSPACE_NAME]) if one.name == role]
    one = found[0] if found else accounts.create_role(str(role), DEFAULT_WORKSPACE_NAME)
    wanted = set(_GRANTS[role])
    for grant in accounts.list_role_permissions(one.id):
        if (grant.resource_type, grant.permission) in wanted and grant.resource_pattern == "*":
            wanted.remove((grant.resource_type, grant.permission))
        else:
            accounts.remove_role_permission(grant.id)
    for kind, permission in sorted(wanted):
        accounts.add_role_permission(one.id, kind, "*", permission)
    return int(one.id)


def _give_role(accounts: "AuthStore", name: str, role: Role, roles: Mapping[Role, int]) -> None:
    user = accounts.get_user(name)
    if user.is_admin != (role is Role.INSTRUCTOR):
        accounts.update_user(name, is_admin=role is Role.INSTRUCTOR)
    has = {one.id for one in accounts.list_user_roles(user.id)}
    for other, id_ in roles.items():
        if other is role and id_ not in has:
            accounts.assign_role_to_user(user.id, id_)
        elif other is not role and id_ in has:
            accounts.unassign_role_from_user(user.id, id_)
