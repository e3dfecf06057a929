"""MLflow's pages for a store, from one small process on this machine.

Reads ``mlflow/server.toml`` of the course where there is one. It must not know
who looks at the pages.
"""

import os
import signal
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civicml import ports
from civicml.course import find_root
from civicml.errors import CivicmlError
from civicml.tracking.store import Store, find_store, prepare_store

SETTINGS_FILE = Path("mlflow", "server.toml")
LOG = "server.log"
_STOP_SECONDS = 10
_LOOK_EVERY = 0.1


class ServerSettings(BaseModel):
    """How the embedded server runs; ``mlflow/server.toml`` says what each setting is for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    host: Annotated[str, Field(min_length=1)] = ports.LOOPBACK
    port: Annotated[int, Field(ge=1024, le=65_535)] = 5000
    workers: Annotated[int, Field(ge=1, le=16)] = 1
    allowed_hosts: tuple[str, ...] = Field(default=("127.0.0.1:*", "localhost:*"), strict=False)
    job_execution: bool = False
    assistant: bool = False


@dataclass(frozen=True)
class Server:
    """A running MLflow server; as a context manager it stops at the end of the block."""

    url: str
    process: subprocess.Popen[bytes]
    certificate: str = ""
    """The file of the server's own certificate, where it speaks https."""

    def is_ready(self) -> bool:
        """Whether the pages can be opened now.

        Raises:
            CivicmlError: the server has stopped.
        """
        if self.process.poll() is not None:
            raise CivicmlError(
                f"The MLflow server at {self.url} has stopped (exit status {self.process.returncode}); "
                f"{LOG} beside the store says why."
            )
        # Asked by its address, so the host's name in the certificate is not compared.
        context = ssl.create_default_context(cafile=self.certificate) if self.certificate else None
        if context is not None:
            context.check_hostname = False
        address = f"{self.url}/health"
        try:
            with urllib.request.urlopen(address, timeout=2, context=context):  # noqa: S310 (our own address)
                return True
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def read_settings(root: Path | None = None) -> ServerSettings:
    """The settings in the course's ``mlflow/server.toml``; the defaults where there is none.

    Args:
        root: the course; the one around the working directory when not given.

    Raises:
        CivicmlError: the file is not TOML, or says something that cannot be used.
    """
    try:
        path = (root or find_root()) / SETTINGS_FILE
    except CivicmlError:
        return ServerSettings()
    try:
        return ServerSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ServerSettings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CivicmlError(f"{path} cannot be used: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise CivicmlError(f"{path}: {place}: {problem['msg'].lower()}.") from error


def serve(
    folder: Path | None = None, port: int | None = None, settings: ServerSettings | None = None
) -> Server:
    """Start MLflow's pages for a store, and return at once: `Server.is_ready` tells when they answer.

    Args:
        folder: a store's folder, made ready when it is new; the store that runs go to from here
            when not given.
        port: the port to listen on; the next free one from the settings' on when not given.
        settings: how to run; read from the course when not given.

    Raises:
        CivicmlError: the port is taken, or the store cannot be used.
    """
    settings = settings or read_settings()
    store = find_store() if folder is None else Store(prepare_store(folder), folder.resolve() / "artifacts")
    if store.uri.startswith(("http://", "https://")):
        raise CivicmlError(f"Runs go to the MLflow server at {store.uri}; open that address in a browser.")
    port = ports.choose(port, settings.port, settings.host)
    return Server(f"http://{settings.host}:{port}", _start_process(store, port, settings))


def keep_running(server: Server, say: Callable[[str], None]) -> None:
    """Stay with a server until the person, or the system, stops this process; then it is stopped too.

    Raises:
        CivicmlError: the server stopped by itself.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with server:
            while not server.is_ready():
                time.sleep(_LOOK_EVERY)
            say(f"MLflow answers at {server.url}. Ctrl-C stops it.")
            server.process.wait()
            server.is_ready()  # says that it has stopped
    except KeyboardInterrupt:
        say("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)


def _start_process(store: Store, port: int, settings: ServerSettings) -> subprocess.Popen[bytes]:
    # What `mlflow server` runs, without its own process around it: that one imports all of MLflow only
    # to wait, which doubles the memory and more than doubles the start (7.5 s against 3 s).
    application = "mlflow.server.fastapi_app:app" if settings.assistant else "civicml.tracking.embedded:app"
    command = [
        sys.executable, "-m", "uvicorn", application,
        "--host", settings.host, "--port", str(port), "--workers", str(settings.workers),
        "--timeout-graceful-shutdown", "2", "--log-level", "warning",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": str(settings.job_execution).lower(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(settings.allowed_hosts),
        "_MLFLOW_SERVER_FILE_STORE": store.uri,
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    if store.artifacts is None:
        return run_server(command, environment, None)
    environment["_MLFLOW_SERVER_ARTIFACT_ROOT"] = store.artifacts.as_uri()
    return run_server(command, environment, store.artifacts.parent / LOG)


def run_server(command: list[str], environment: dict[str, str], log: Path | None) -> subprocess.Popen[bytes]:
    """Start a server's process in the folder of its log, where what it prints goes.

    Args:
        command: the program and its arguments; everyone on the machine can read them.
        environment: everything the process finds in its environment.
        log: where its output goes; nowhere when not given.
    """
    # Its own session: Ctrl-C in the terminal reaches the command that started it, which stops it in order.
    # Its own folder: 'python -m' puts the working directory on the import path, and a course has a
    # folder called 'datasets'.
    if log is None:
        return subprocess.Popen(  # noqa: S603
            command, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603
            command, env=environment, cwd=log.parent, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
