"""The cohort's tracking server: MLflow on PostgreSQL and an S3-compatible store, with accounts.

Everything it needs is in one private folder: settings, secrets, everyone's first password, its log. It
must not know who is enrolled, or how work is graded: it is told ids.
"""

import os
import secrets
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from civicml import ports
from civicml.errors import CivicmlError
from civicml.tracking.server import LOG, Server, run_server

SETTINGS = "settings.toml"
SECRETS = "secrets.toml"
AUTH = "auth.ini"
ACCOUNTS = "accounts"
TEMPLATE = Path("mlflow", "cohort.toml")
"""The settings that a new cohort's server begins with, in the course."""

_LIBRARIES = ("psycopg", "boto3", "flask_wtf")

_AUTH = """\
# Read by MLflow's basic authentication. Written at every start; it holds no secret.
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {database}
admin_username = {instructor}
authorization_function = civicml.tracking.gate:authenticate
# A password is checked once a minute and not with every request: checking one is slow on purpose.
auth_cache_ttl_seconds = 60
"""


class SharedSettings(BaseModel):
    """How the cohort's server runs; ``mlflow/cohort.toml`` says what each setting is for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    database: str
    artifacts: str
    s3_endpoint: str = ""
    s3_region: str = ""
    host: Annotated[str, Field(min_length=1)] = ports.LOOPBACK
    port: Annotated[int, Field(ge=1024, le=65_535)] = 5000
    allowed_hosts: tuple[str, ...] = Field(default=("127.0.0.1:*", "localhost:*"), strict=False)
    certificate: str = ""
    key: str = ""
    workers: Annotated[int, Field(ge=1, le=16)] = 2

    @field_validator("database")
    @classmethod
    def _is_postgresql(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "postgresql" or not parts.path.strip("/"):
            raise ValueError("must be a PostgreSQL address, such as postgresql://civicml@127.0.0.1/civicml")
        if parts.password is not None:
            raise ValueError(f"must not hold the password; it goes into {SECRETS} as database_password")
        return value

    @field_validator("artifacts")
    @classmethod
    def _is_s3(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "s3" or not parts.netloc:
            raise ValueError("must be a place in an S3-compatible store, such as s3://civicml/runs")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _keeps_passwords_private(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key are named together or not at all")
        if not self.certificate and not _is_loopback(self.host):
            raise ValueError(
                f"host = '{self.host}' would send passwords readably over the network: name a certificate "
                "and its key, or stay on 127.0.0.1 behind a proxy that encrypts"
            )
        return self


@dataclass(frozen=True)
class Secrets:
    """What nobody but the server may know. Empty ones are not needed, or found elsewhere.

    Attributes:
        database_password: PostgreSQL's password for the server; drawn for a new server.
        session_key: what MLflow signs its forms with; drawn for a new server.
        s3_access_key: the artefact store's; empty where the machine has credentials of its own.
        s3_secret_key: the same.
    """

    database_password: str
    session_key: str
    s3_access_key: str = ""
    s3_secret_key: str = ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- the folder -----------------------------------------------------------------------------------


def prepare_folder(folder: Path, template: str) -> bool:
    """Make the server's private folder with its settings and secrets; keep what is there.

    Args:
        folder: where; its parent exists.
        template: the text of the settings that a new server begins with.

    Returns:
        Whether the settings are new, and somebody has yet to look at them.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    (folder / ACCOUNTS).mkdir(mode=0o700, exist_ok=True)
    if not (folder / SECRETS).exists():
        write_private(
            folder / SECRETS,
            "# Whoever knows these can read and change everyone's runs. Never share or commit them.\n"
            f'database_password = "{secrets.token_urlsafe(32)}"\n'
            f'session_key = "{secrets.token_urlsafe(32)}"\n'
            "# The artefact store's, where the machine has no credentials of its own for it.\n"
            's3_access_key = ""\n'
            's3_secret_key = ""\n',
        )
    new = not (folder / SETTINGS).exists()
    if new:
        write_private(folder / SETTINGS, template)
    return new


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_shared(folder: Path) -> tuple[SharedSettings, Secrets]:
    """The settings and secrets of a server's folder.

    Raises:
        CivicmlError: they are missing, cannot be used, or the secrets can be read by others.
    """
    settings = folder / SETTINGS
    try:
        read = SharedSettings.model_validate(_toml(settings))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        said = problem["msg"].removeprefix("Value error, ").rstrip(".")
        raise CivicmlError(f"{settings}: {place + ': ' if place else ''}{said}.") from None
    path = folder / SECRETS
    values = _toml(path)
    if path.stat().st_mode & 0o077:
        raise CivicmlError(f"Others on this machine can read '{path}'; run: chmod 600 '{path}'")
    names = {field.name for field in fields(Secrets)}
    wrong = [name for name, value in values.items() if name not in names or not isinstance(value, str)]
    if wrong or not values.get("session_key") or "database_password" not in values:
        raise CivicmlError(f"'{path}' must hold exactly these texts: {', '.join(sorted(names))}.")
    return read, Secrets(**values)


def _toml(path: Path) -> dict[str, str]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CivicmlError(
            f"There is no '{path}'; 'civicml server cohort' makes one for you to look at."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CivicmlError(f"{path} cannot be used: {error}.") from None


# --- the database ---------------------------------------------------------------------------------


def database_script(settings: SharedSettings, secret: Secrets) -> str:
    """What an administrator of PostgreSQL runs once: SQL that makes the role and its database."""
    parts = urlsplit(settings.database)
    role, name = (_quoted(part, '"') for part in (parts.username or "", parts.path.strip("/")))
    password = _quoted(secret.database_password, "'")
    return (
        "-- Run once as PostgreSQL's administrator: psql < database.sql\n"
        f"CREATE ROLE {role} LOGIN PASSWORD {password};\n"
        f"CREATE DATABASE {name} OWNER {role} ENCODING 'UTF8' TEMPLATE template0;\n"
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;\n"
    )


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


@contextmanager
def database_password(secret: Secrets) -> Iterator[None]:
    """Let PostgreSQL's client find the password for one block: in no address, and on no command line."""
    before = os.environ.get("PGPASSWORD")
    if secret.database_password:
        os.environ["PGPASSWORD"] = secret.database_password
    try:
        yield
    finally:
        os.environ.pop("PGPASSWORD", None)
        if before is not None:
            os.environ["PGPASSWORD"] = before


def check_database(folder: Path, settings: SharedSettings, secret: Secrets) -> None:
    """Connect to the database once.

    Raises:
        CivicmlError: it does not answer, or does not let the server in, or a library is missing; the
            sentence says what to run.
    """
    _check_libraries()
    import psycopg

    script = folder / "database.sql"
    try:
        with database_password(secret), psycopg.connect(settings.database, connect_timeout=10):
            script.unlink(missing_ok=True)
    except psycopg.Error as error:
        write_private(script, database_script(settings, secret))
        said = " ".join(str(error).split()).rstrip(".")
        raise CivicmlError(
            f"The database {settings.database} cannot be opened: {said}. If its role and database are not "
            f"made yet, let PostgreSQL's administrator run: psql < '{script}'"
        ) from None


def _check_libraries() -> None:
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise CivicmlError(
            f"The cohort's server needs what is not installed here ({', '.join(missing)}); run: "
            "pip install 'civicml[server]'"
        )


# --- running --------------------------------------------------------------------------------------


def serve_shared(folder: Path, settings: SharedSettings, secret: Secrets, port: int | None = None) -> Server:
    """Start the cohort's server and return at once: `Server.is_ready` tells when it answers.

    Its database and its accounts are ready by then: see `civicml.tracking.accounts`.

    Args:
        folder: the server's private folder.
        settings: how to run.
        secret: reaches the server in its environment, which only its owner can read.
        port: the port to listen on; the settings' when not given.

    Raises:
        CivicmlError: the port is taken.
    """
    from civicml.tracking.accounts import INSTRUCTOR

    port = port or settings.port
    if not ports.is_free(port, settings.host):
        raise CivicmlError(
            f"Port {port} on {settings.host} is taken: something else listens there. Change 'port' in "
            f"'{folder / SETTINGS}', or name another with --port."
        )
    auth = folder / AUTH
    write_private(auth, _AUTH.format(database=settings.database.replace("%", "%%"), instructor=INSTRUCTOR))
    command = [
        sys.executable, "-m", "uvicorn", "civicml.tracking.gate:app",
        "--host", settings.host, "--port", str(port), "--workers", str(settings.workers),
        "--timeout-graceful-shutdown", "2", "--log-level", "warning",
    ]  # fmt: skip
    if settings.certificate:
        command += ["--ssl-certfile", settings.certificate, "--ssl-keyfile", settings.key]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")},
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(settings.allowed_hosts),
        "MLFLOW_AUTH_CONFIG_PATH": str(auth),
        # A route that MLflow's authentication does not know is closed, not open.
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secret.session_key,
        # What `mlflow server` hands to its own processes; see server.py on why it is not used.
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_SERVER_FILE_STORE": settings.database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": settings.artifacts,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    found_elsewhere_when_empty = {
        "PGPASSWORD": secret.database_password,
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_DEFAULT_REGION": settings.s3_region,
        "AWS_ACCESS_KEY_ID": secret.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": secret.s3_secret_key,
    }
    environment |= {name: value for name, value in found_elsewhere_when_empty.items() if value}
    scheme = "https" if settings.certificate else "http"
    process = run_server(command, environment, folder / LOG)
    return Server(f"{scheme}://{settings.host}:{port}", process, settings.certificate)
