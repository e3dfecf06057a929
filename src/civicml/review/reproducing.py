"""Part 6, whether the logged source makes the registered model again: from the same data, with the same seed.

The source is a stranger's program, and runs in the sandbox. It must not know what the model is good for.
"""

import ast
import math
from pathlib import Path

import numpy as np
import pandas as pd

from civicml.review.evidence import Part, Table
from civicml.review.findings import Finding
from civicml.review.material import Material
from civicml.review.measures import NAMES
from civicml.review.parts import not_done, part
from civicml.review.sandboxed import ModelError, Process, Sandbox, checked
from civicml.tracking.artefacts import Fetched
from civicml.tracking.artefacts.saving import CODE_TAG, SEED_TAG, source_hash

DATA_TAG = "civicml.data"
ENTRY = "train.py"
SECONDS = 240.0
"""For one training."""


class Training:
    """A training under way in the sandbox, beside everything else that a review does."""

    def __init__(
        self, sandbox: Sandbox, dataset: str, tables: dict[str, pd.DataFrame], *, seed: int, file: str
    ) -> None:
        self._process: Process = sandbox.start()
        self._process.send("train", {"dataset": dataset, "tables": tables, "seed": seed, "file": file})

    def wait(self) -> tuple[list[str], float]:
        """What it tried to reach outside, and its seconds.

        Raises:
            ModelError: it failed, hung or ended its process.
        """
        told, seconds = self._process.hear(SECONDS)
        return [str(line) for line in told] if isinstance(told, list) else [], seconds

    def scores(self, frame: pd.DataFrame, seconds: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Scores of the model that it made."""
        told, _ = self._process.ask("predict", frame, seconds=seconds)
        return checked(told, len(frame))

    def close(self) -> None:
        """End it."""
        self._process.close()


def entry(source: Path) -> str | None:
    """The file that defines ``train``: ``train.py``, or the only one that does; else None."""
    if (source / ENTRY).is_file():
        return ENTRY
    found = []
    for path in sorted(source.glob("*.py")) if source.is_dir() else []:
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError, OSError, RecursionError):
            continue
        if any(isinstance(node, ast.FunctionDef) and node.name == "train" for node in tree.body):
            found.append(path.name)
    return found[0] if len(found) == 1 else None


def seed_of(handed_in: Fetched) -> int | None:
    """The seed that the run logged."""
    text = handed_in.tags.get(SEED_TAG, "")
    try:
        return int(text)
    except ValueError:
        return None


def reproduces(material: Material, training: Training | None) -> Part:
    """Compare what the source makes with what was registered."""
    findings = [*_stale(material), *_changed(material)]
    if training is None:
        missing = (
            "no seed"
            if seed_of(material.handed_in) is None
            else f"no source with a function train() ({ENTRY})"
        )
        says = f"The run has {missing}, so the model cannot be made again."
        do = "Log the model with artefacts.log_model(…, seed=…, source='train.py')."
        finding = Finding("cannot-be-reproduced", "critical", "learner", "reproduces", says, do)
        return not_done("reproduces", says, [*findings, finding])
    try:
        reached, seconds = training.wait()
    except ModelError as error:
        return not_done("reproduces", f"The source {error.says}.", [*findings, _failed(error)])
    if reached:
        findings.append(_reaches_out(reached))
    if material.scores is None:
        why = (
            f"The source ran in {seconds:.0f} seconds; without scores of the registered model nothing "
            "can be compared."
        )
        return part("reproduces", why, findings=findings)
    frame = material.inputs(material.data.holdout)
    try:
        again = training.scores(frame, 120.0)
    except ModelError as error:
        return not_done("reproduces", f"The model made again {error.says}.", [*findings, _failed(error)])
    table, found = _compare(material, again)
    same = "the same model" if not found else "another model"
    summary = f"The logged source ran for {seconds:.0f} seconds in the sandbox and made {same}."
    return part("reproduces", summary, tables=[table], findings=[*findings, *found])


def _compare(
    material: Material, again: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> tuple[Table, list[Finding]]:
    scores = material.scores
    if scores is None:
        raise ValueError("there are no scores")
    tolerance, name = material.brief.tolerance, material.brief.metric.name
    first, second = (material.problem.measure(name, values).value for values in (scores.values, again))
    apart = np.abs(scores.values - again)
    other = int((apart > tolerance.predictions).sum())
    rows = (
        (NAMES[name], round(first, 5), round(second, 5), round(abs(first - second), 6), tolerance.metric),
        ("largest difference of a score", None, None, float(f"{apart.max():.3g}"), tolerance.predictions),
        ("cases with another score", None, None, other, 0),
    )
    table = Table(
        "Registered model and model made again",
        ("figure", "registered", "again", "difference", "allowed"),
        rows,
    )
    far = not math.isfinite(second) or abs(first - second) > tolerance.metric
    if not far and not other:
        return table, []
    says = (
        f"The logged source makes another model: {NAMES[name]} is {second:.4f} instead of {first:.4f}, "
        f"and {other:,} of "
        f"{len(again):,} scores differ, by up to {apart.max():.3g}."
    )
    do = (
        "Log the source that made the model, give the seed to everything that draws, and train in one "
        "thread; then "
        "register the run that this makes."
    )
    return table, [
        Finding("not-reproduced", "critical" if far else "major", "learner", "reproduces", says, do)
    ]


def _failed(error: ModelError) -> Finding:
    code = {"late": "training-too-slow", "ended": "training-ends-its-process"}.get(
        error.why, "training-fails"
    )
    do = {
        "late": f"Make train() end within {SECONDS:g} seconds on one core: a smaller search, fewer rows.",
    }.get(
        error.why,
        "Run train(tables, seed) in a fresh Python without network and with nothing beside train.py, "
        "and mend it.",
    )
    if any(
        word in error.says
        for word in ("urlopen", "URLError", "Connection", "gaierror", "Network is unreachable")
    ):
        do = (
            "Take out what reaches for the network: training uses the tables that it is given, and "
            "nothing else."
        )
        code = "reaches-out"
    return Finding(code, "critical", "learner", "reproduces", f"In the sandbox the source {error.says}.", do)


def _reaches_out(reached: list[str]) -> Finding:
    says = (
        f"While training, the source tried to reach outside: {reached[0]}. The sandbox let nothing through."
    )
    do = "Take it out: training uses the tables that it is given, and nothing else."
    return Finding("reaches-out", "critical", "learner", "reproduces", says, do)


def _stale(material: Material) -> list[Finding]:
    """A run on other data than there is now."""
    logged = material.handed_in.tags.get(DATA_TAG, "").removeprefix("sha256:")
    if logged == material.data.data_hash:
        return []
    now = material.data.data_hash[:12]
    says = (
        f"The run is stale: it was made with tables whose hash begins with {logged[:12]}; those of "
        f"'{material.brief.data.dataset}' now begin with {now}."
        if logged
        else "The run does not say which data it was made with."
    )
    do = "Train and log again with the tables as they are now."
    return [Finding("stale-data", "major", "learner", "reproduces", says, do)]


def _changed(material: Material) -> list[Finding]:
    folder = material.handed_in.folder / "source"
    logged = material.handed_in.tags.get(CODE_TAG)
    if (
        not folder.is_dir()
        or logged is None
        or not logged.startswith("sha256:")
        or logged == source_hash(folder)
    ):
        return []
    says = "The source beside the model is not the one that was logged: its hash has changed since."
    do = "Log the model again, with the source that made it."
    return [Finding("source-changed", "critical", "learner", "reproduces", says, do)]
