"""One warm grader for each lab of a test session, and submissions to give it."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from civicml.autograder import sandbox
from civicml.autograder.limits import MEGABYTE, Limits, Settings
from civicml.autograder.pool import Grader
from civicml.autograder.script import read_script
from civicml.autograder.verdict import Result

ATTACKS = Path(__file__).parents[2] / "autograder" / "attacks"
LIMITS = Limits(
    cell_seconds=3,
    notebook_seconds=60,
    memory_bytes=1024 * MEGABYTE,
    scratch_bytes=32 * MEGABYTE,
    file_bytes=64 * MEGABYTE,
    processes=24,
    open_files=256,
)
SETTINGS = Settings(
    limits=LIMITS, imports=("numpy", "pandas", "pyarrow", "sklearn.linear_model", "matplotlib.pyplot")
)

Submit = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def lab() -> dict[str, Any]:
    """The lab that attacks are made on, as its notebook."""
    notebook = json.loads((ATTACKS / "lab.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return dict(notebook)


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    """A warm worker that knows the lab."""
    if not sandbox.sandboxed(sandbox.protections()):
        pytest.skip("this machine cannot make the sandbox")
    grader = Grader(read_script(ATTACKS / "lab.ipynb"), SETTINGS)
    grader.learn()
    yield grader
    grader.close()


@pytest.fixture
def submission(lab: dict[str, Any]) -> Submit:
    """Makes a submission: right answers, save for those given by name; `first` and `last` are extra cells."""

    def make(**sources: str) -> dict[str, Any]:
        notebook = copy.deepcopy(lab)
        for cell in notebook["cells"]:
            name = cell["metadata"].get("nbgrader", {}).get("grade_id")
            if name in sources:
                cell["source"] = sources[name]
            elif name and name.endswith("_test"):
                cell["source"] = cell["source"].split("### BEGIN HIDDEN TESTS")[0]
        extra = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        if "first" in sources:
            notebook["cells"].insert(2, {**extra, "id": "first", "source": sources["first"]})
        if "last" in sources:
            notebook["cells"].append({**extra, "id": "last", "source": sources["last"]})
        return notebook

    return make


def shown_to_learners(result: Result) -> str:
    """Everything of a result that a learner may get to see, as one text."""
    cells = result.notebook.get("cells", [])
    own = [c for c in cells if not c["metadata"].get("nbgrader", {}).get("grade")]
    return json.dumps(
        [[c.get("outputs") for c in own], [v.message for v in result.verdicts], result.flags, result.problem]
    )


def lost(result: Result) -> dict[str, str]:
    """The graded cells that did not earn all their points, with what was said."""
    return {v.name: v.message for v in result.verdicts if v.status != "manual" and v.points != v.most}
