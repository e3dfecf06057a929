"""What the tests of tracking stand on: a folder of their own, and real servers on loopback."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cohort, found through $CIVICML_COHORT, with ana at the notebook."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "cohort.toml").write_text('name = "test"\n', encoding="utf-8")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("CIVICML_COURSE", raising=False)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    monkeypatch.setenv("CIVICML_COHORT", str(folder))
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CIVICML_LEARNER", "ana")
    monkeypatch.chdir(tmp_path)
    return folder


# --- servers of the tests' own --------------------------------------------------------------------

DEBIANS = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL with nothing in it, and how its administrator gets in."""

    port: int
    password: str

    def administer(self, script: str) -> None:
        """Run SQL as the administrator, a statement at a time, as psql would."""
        import psycopg

        address = {"host": "127.0.0.1", "port": self.port, "user": "admin", "password": self.password}
        with psycopg.connect(**address, dbname="postgres", autocommit=True) as connection:
            for statement in script.split(";\n"):
                connection.execute(statement)


def programs() -> Path | None:
    """The folder of PostgreSQL's programs: the newest of Debian's, or the one on the PATH."""
    debians = sorted(DEBIANS.glob("*/bin/pg_ctl"), key=lambda path: float(path.parent.parent.name))
    found = debians[-1] if debians else shutil.which("pg_ctl")
    return None if found is None else Path(found).resolve().parent


@contextmanager
def postgres(binaries: Path) -> Iterator[Postgres]:
    """Start a PostgreSQL in a new directory, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="civicml-postgres-"))
    password = secrets.token_urlsafe(18)
    (folder / "password").write_text(password)
    as_them = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root; Debian's package makes a user for it
        users = {user.pw_name: user for user in pwd.getpwall()}
        owner = users.get("postgres") or users["nobody"]
        for path in (folder, folder / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        as_them = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    port = free_port()

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [binaries / program, "-D", "data", *arguments],
            cwd=folder, env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **as_them,
        )  # fmt: skip

    try:
        run("initdb", "-U", "admin", "-A", "scram-sha-256", "--pwfile", "password", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "start", "-w", "-l", "log", "-o", f"-F -h 127.0.0.1 -p {port} -k '{folder}'")
        yield Postgres(port, password)
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            run("pg_ctl", "stop", "-w", "-m", "fast")
        shutil.rmtree(folder)


def free_port() -> int:
    """A port of loopback on which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    """A port for one server of the test's own."""
    return free_port()


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    """A PostgreSQL of this session's own; without one the test is skipped, or fails where one is required."""
    binaries = programs()
    if binaries is None:
        reason = "PostgreSQL is not installed here (Debian: apt-get install postgresql)"
        if os.environ.get("CIVICML_REQUIRE_POSTGRES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with postgres(binaries) as running:
        yield running


@dataclass(frozen=True)
class ObjectStore:
    """A running S3-compatible store with one empty bucket, and its keys."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    def names(self) -> list[str]:
        """What lies in the bucket."""
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )
        return [found["Key"] for found in client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """moto's S3, spoken to over HTTP by the server under test as it would speak to a department's."""
    import boto3
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        store = ObjectStore(f"http://{host}:{port}", "runs", secrets.token_hex(8), secrets.token_hex(8))
        boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            region_name="us-east-1",
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
        ).create_bucket(Bucket=store.bucket)
        yield store
    finally:
        running.stop()
