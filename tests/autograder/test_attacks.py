"""Every attack in `autograder/attacks/` gets what its file says: no mark, no secret, no way out."""

import contextlib
import importlib.util
import json
import os
import socket
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from civicml.autograder.pool import Grader

from .conftest import ATTACKS, Submit, lost, shown_to_learners

CODE = tomllib.loads((ATTACKS / "code.toml").read_text(encoding="utf-8"))
FILES = tomllib.loads((ATTACKS / "files.toml").read_text(encoding="utf-8"))
TOKEN = "SECRET-TOKEN-90210"
MARKER = "98765.4321"
TESTS = {"q1_test", "q2_test", "q3_test", "q4_test", "q5_test"}


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What an attack would like to reach: files with a secret, a server, a socket."""
    places: dict[str, Any] = {"marker": MARKER}
    for name in ("gradebook", "source", "peer", "home", "sealed"):
        path = tmp_path / name / "secret.txt"
        path.parent.mkdir()
        path.write_text(TOKEN)
        path.chmod(0o666)
        places[name] = str(path)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        server.setblocking(False)
        places["port"] = server.getsockname()[1]
        places["abstract"] = f"civicml-attack-{os.getpid()}"
        abstract.bind("\0" + places["abstract"])
        abstract.listen()
        abstract.setblocking(False)
        yield places
        for listener in (server, abstract):
            with pytest.raises(BlockingIOError):
                listener.accept()
    for name in ("gradebook", "source", "peer", "home", "sealed"):
        assert Path(places[name]).read_text() == TOKEN


@pytest.mark.parametrize("name", CODE)
def test_code_attack(
    name: str,
    grader: Grader,
    submission: Submit,
    surroundings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    monkeypatch.setenv("CIVICML_TEST_SECRET", TOKEN)
    attack = CODE[name]
    sources = {
        key: _filled(attack[key], surroundings) for key in attack if key[0] == "q" or key in ("first", "last")
    }
    path = tmp_path / "lab.ipynb"
    path.write_text(json.dumps(submission(**sources)), encoding="utf-8")

    result = grader.grade(path)

    losses, seen = set(lost(result)), shown_to_learners(result)
    if "loses" in attack:
        assert losses == set(attack["loses"]), _explained(result)
    else:
        assert set(attack["must_lose"]) <= losses <= {*attack["must_lose"], *attack["may_lose"]}, _explained(
            result
        )
    assert [v.status for v in result.verdicts if v.name == "memo"] == ["manual"]
    for secret in (TOKEN, "HIDDEN-TEXT-7431", *attack.get("absent", ())):
        assert json.dumps(secret)[1:-1] not in seen
    _wait_until_nothing_is_left_behind()
    assert result.attempts == 1
    assert len(json.dumps(result.as_json())) < 20_000_000


@pytest.mark.parametrize("name", FILES)
def test_file_attack(name: str, grader: Grader, submission: Submit, tmp_path: Path) -> None:
    attack = FILES[name]
    path = tmp_path / "lab.ipynb"
    change = getattr(_forgeries(), name.replace("-", "_"))
    change(submission(**{key: attack[key] for key in attack if key[0] == "q"}), path)

    result = grader.grade(path)

    if attack.get("refused"):
        assert result.problem
        assert result.points == 0
        assert {v.points for v in result.verdicts} == {0.0}
    else:
        assert not result.problem
        assert set(lost(result)) == set(attack.get("loses", [])), _explained(result)
        assert {v.name for v in result.verdicts} == TESTS | {"memo"}
        assert {v.most for v in result.verdicts if v.name in TESTS} == {10.0}
        assert bool(result.flags) == attack.get("flagged", bool(result.flags))


def test_there_are_enough_attacks() -> None:
    assert len(CODE) + len(FILES) >= 80
    assert all(attack["why"] for attack in (*CODE.values(), *FILES.values()))


def _filled(source: str, surroundings: dict[str, Any]) -> str:
    for name, value in surroundings.items():
        source = source.replace("{" + name + "}", str(value))
    return source


def _explained(result: Any) -> str:
    return "\n".join(
        [*(f"{v.name} {v.status}: {v.message} | {v.detail}" for v in result.verdicts), *result.flags]
    )


def _wait_until_nothing_is_left_behind() -> None:
    """They were killed before the result came; the kernel clears them away meanwhile."""
    until = time.monotonic() + 20
    while left := _left_behind():
        assert time.monotonic() < until, left
        time.sleep(0.01)


def _left_behind() -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if MARKER.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


def _forgeries() -> Any:
    # Not a test module: loaded by path, since tests are no package.
    spec = importlib.util.spec_from_file_location("forgeries", Path(__file__).with_name("forgeries.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
