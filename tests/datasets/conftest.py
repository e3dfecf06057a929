"""A cache for the whole run, and a small course with one tiny dataset that knows nothing of the real one."""

import textwrap
from pathlib import Path

import pytest

from civicml.datasets import Tables, load

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def this_course(tmp_path_factory):
    """This repository's course, and a cache of this run's own that its workers share."""
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):
        shared = shared.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COURSE", str(REPOSITORY))
        patch.setenv("CIVICML_CACHE", str(shared / "civicml-cache"))
        patch.delenv("CIVICML_COHORT", raising=False)
        yield


@pytest.fixture(scope="session")
def gp(this_course) -> Tables:
    """The published tables; tests must not change them."""
    return load("gp_appointments")


TINY = {
    "recipe.py": """
        import os
        from pathlib import Path

        import numpy as np
        import pandas as pd

        from civicml.datasets.disclosure import enforce

        ROWS = 1_000

        def generate(streams, rows):
            log = os.environ.get("TINY_LOG")
            if log:
                with Path(log).open("a") as file:
                    file.write("building\\n")
            gate = os.environ.get("TINY_GATE")
            if gate:
                Path(gate).read_text()  # a pipe: waits for the test
            rng = streams.rng("people")
            frame = pd.DataFrame({
                "name": [f"Person {n}" for n in range(rows)],
                "town": pd.Categorical.from_codes(rng.integers(0, 3, rows), ["Ashby", "Beckford", "Corley"]),
                "shift": np.repeat(streams.world("shift").integers(0, 1000), rows),
                "ill": rng.random(rows) < 0.5,
            })
            yield {"people": frame[: rows // 2]}
            if os.environ.get("TINY_STOP") == "interrupt":
                raise KeyboardInterrupt
            if os.environ.get("TINY_STOP") == "kill":
                os.kill(os.getpid(), 9)
            yield {"people": frame[rows // 2 :]}

        def publish(raw, streams, rules):
            people = raw.read("people", ["town", "shift", "ill"])
            yield {"people": enforce(people, rules.people).frame}

        def measure(tables):
            return {"ill": tables["people"]["ill"].mean()}
    """,
    "schema.toml": """
        name = "tiny"
        title = "A tiny dataset"
        source = "nobody"
        main_table = "people"

        [tables.people]
        description = "One row a person."

        [tables.people.columns.town]
        type = "category"
        description = "Where they live."
        ordered = true
        missing = true
        values = ["Corley", "Beckford", "Ashby"]

        [tables.people.columns.shift]
        type = "integer"
        description = "The same for everybody."
        missing = false
        minimum = 0

        [tables.people.columns.ill]
        type = "yes/no"
        description = "Whether they are ill."
        missing = false
    """,
    "disclosure.toml": """
        [people]
        table = "people"
        quasi_identifiers = ["town"]
        sensitive = ["ill"]
        k = 3
        l = 2
        suppress = ["town"]
    """,
    "calibration.toml": """
        [figures.ill]
        what = "people who are ill"
        value = 0.5
        tolerance = 0.1
        year = "2025"
        source = "nobody"
        why = "half"
    """,
}


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """A course with one dataset, ``tiny``, and an empty cache; gives the course's root."""
    root = tmp_path / "course-of-one"
    folder = root / "datasets" / "nowhere" / "tiny"
    folder.mkdir(parents=True)
    (root / "course").mkdir()
    (root / "course" / "course.toml").write_text("")
    for name, text in TINY.items():
        (folder / name).write_text(textwrap.dedent(text))
    monkeypatch.setenv("CIVICML_COURSE", str(root))
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    for variable in ("TINY_LOG", "TINY_GATE", "TINY_STOP"):
        monkeypatch.delenv(variable, raising=False)
    return root
