# ruff: noqa: E501 - the cells of labs are long lines
"""How fast submissions are graded, beside `nbgrader autograde` as shipped, on the same labs in one run.

    python benchmarks/grading.py [--submissions 8] [--labs light tables torch] [--without-nbgrader]
    python benchmarks/grading.py --all --torch PYTHON --otter PYTHON

Prints seconds a submission, by the clock and of the processor, the ratios, what it costs above its own
cells, and how two workers compare with one. With ``--all`` also nbgrader with its best settings, and the
light lab from 1 to 1,000 submissions. PyTorch and otter-grader are not in this course's environment: PYTHON
is the interpreter of one that has them (and, for PyTorch, what this course needs). Figures depend on the
machine, and by the clock on what else it does; ratios of one run are what counts.
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grading_otter
import grading_scale

from civicml.autograder.limits import Settings
from civicml.autograder.pool import Pool

LIGHT = [
    ("setup", "import math", None, None),
    ("q1", None, "def double(x):\n    return 2 * x", "assert double(4) == 8\nassert double('a') == 'aa'"),
    ("q2", None, "total = sum(range(10))", "assert total == 45"),
]
TABLES = [
    (
        "setup",
        "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd\nfrom sklearn.ensemble import "
        "HistGradientBoostingClassifier\nfrom sklearn.linear_model import LogisticRegression\nfrom sklearn.metrics import "
        "roc_auc_score\nrng = np.random.default_rng(7)\nn = 4000\nframe = pd.DataFrame({'age': rng.integers(18, 90, n), "
        "'lead': rng.gamma(2, 6, n), 'area': rng.choice(list('abcd'), n)})\nframe['missed'] = rng.random(n) < 1 / (1 + "
        "np.exp(3 - frame['lead'] / 9))",
        None,
        None,
    ),
    (
        "q1",
        None,
        "def rates(table):\n    return table.groupby('area')['missed'].mean()",
        "r = rates(frame)\nassert isinstance(r, pd.Series)\npd.testing.assert_series_equal(r, frame.groupby('area').missed.mean())",
    ),
    (
        "q2",
        None,
        "X = pd.get_dummies(frame[['age', 'lead', 'area']])\nmodel = LogisticRegression(max_iter=500).fit(X, frame['missed'])",
        "assert roc_auc_score(frame['missed'], model.predict_proba(X)[:, 1]) > 0.6\nassert hasattr(model, 'coef_')",
    ),
    (
        "q3",
        None,
        "boosted = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, frame['missed'])",
        "assert boosted.predict(X).shape == (4000,)\nassert boosted.n_iter_ == 20",
    ),
    (
        "q4",
        None,
        "fig, ax = plt.subplots()\nax.bar(*zip(*rates(frame).items()))\nax.set_xlabel('area')\nax.set_ylabel('share missed')",
        "assert ax.get_xlabel() == 'area'\nassert len(ax.patches) == 4",
    ),
]
TORCH = [
    (
        "setup",
        "import numpy as np\nimport torch\nfrom torch import nn\ntorch.manual_seed(0)\nX = torch.randn(400, 8)\ny = "
        "(X[:, 0] > 0).float()",
        None,
        None,
    ),
    (
        "q1",
        None,
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.layers = nn.Sequential("
        "nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))\n\n    def forward(self, x):\n        return "
        "self.layers(x).squeeze(-1)\n\nnet = Net()",
        "assert isinstance(net, nn.Module)\nassert net(X).shape == (400,)\nassert sum(p.numel() for p in "
        "net.parameters()) == 161",
    ),
    (
        "q2",
        None,
        "optimiser = torch.optim.Adam(net.parameters(), lr=0.01)\nlosses = []\nfor _ in range(60):\n    "
        "optimiser.zero_grad()\n    loss = nn.functional.binary_cross_entropy_with_logits(net(X), y)\n    "
        "loss.backward()\n    optimiser.step()\n    losses.append(loss.item())",
        "assert len(losses) == 60\nassert losses[-1] < losses[0] / 2\nassert ((net(X) > 0).float() == "
        "y).float().mean() > 0.9",
    ),
]
LABS = {"light": LIGHT, "tables": TABLES, "torch": TORCH}


def notebook(cells: list[Any]) -> dict[str, Any]:
    """An instructor's notebook."""
    made = []

    def add(source: str, name: str, **flags: Any) -> None:
        marking = {"grade_id": name, "grade": False, "solution": False, "locked": False, "task": False}
        made.append(
            {
                "cell_type": "code", "id": name, "metadata": {"nbgrader": {**marking, "schema_version": 3, **flags}},
                "source": source, "outputs": [], "execution_count": None,
            }
        )  # fmt: skip

    for name, locked, solution, tests in cells:
        if locked is not None:
            add(locked, name, locked=True)
            continue
        add(f"### BEGIN SOLUTION\n{solution}\n### END SOLUTION", name, solution=True)
        add(tests, f"{name}_test", grade=True, locked=True, points=10)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": made}


def ours(lab: Path, paths: list[Path], settings: Settings, jobs: int) -> tuple[float, float, float, float]:
    """Seconds a submission, over own cells, to get ready, and of the processor."""
    began = time.perf_counter()
    with Pool(lab, settings, jobs) as pool:
        list(pool.grade(paths[:jobs]))
        ready = time.perf_counter() - began
        began = time.perf_counter()
        results = list(pool.grade(paths))
        seconds = time.perf_counter() - began
    worst = [v for r in results for v in r.verdicts if v.points != v.most]
    if worst:
        raise SystemExit(f"not graded as expected: {worst[0]}")
    above = statistics.median(r.seconds - r.own_seconds for r in results)
    return seconds / len(paths), above, ready, statistics.median(r.cpu_seconds for r in results)


def stock(lab: Path, submissions: int, folder: Path, *, tuned: bool) -> tuple[float, float]:
    """Seconds a submission of `nbgrader autograde`, and of the processor; its start-up does not count."""
    course = folder / f"nbgrader-{lab.parent.name}-{tuned}"
    shutil.copytree(lab.parent, course / "source" / "lab", dirs_exist_ok=True)
    (course / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'x'\n")
    # nbgrader calls alembic as a command, which lies beside this Python.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"OMP_NUM_THREADS": "1"} if tuned else {}

    def run(*words: str) -> tuple[float, float]:
        began, used = time.perf_counter(), processor()
        command = [sys.executable, "-m", "nbgrader", *words]
        subprocess.run(command, cwd=course, check=True, capture_output=True, env=environment)
        return time.perf_counter() - began, processor() - used

    run("generate_assignment", "lab", "--force")
    for number in range(submissions + 1):
        shutil.copytree(course / "source" / "lab", course / "submitted" / f"s{number:03}" / "lab")
    words = ["--Execute.shutdown_kernel=immediate"] if tuned else []
    one = run("autograde", "lab", "--student=s000", *words)
    rest = run("autograde", "lab", *words)
    clock, used = (more - less for more, less in zip(rest, one, strict=True))
    return (clock / (submissions - 1), used / (submissions - 1)) if submissions > 1 else rest


def processor() -> float:
    """Processor seconds of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def elsewhere(told: argparse.Namespace) -> None:
    """Run the torch lab with the interpreter that has PyTorch, or say that there is none."""
    if not told.torch:
        print(
            "torch: not measured; PyTorch is not installed here (name an environment that has it with --torch)"
        )
        return
    words = [
        f"--submissions={told.submissions}",
        *["--without-nbgrader"] * told.without_nbgrader,
        *["--tuned"] * told.tuned,
    ]
    # nbgrader calls alembic as a command, which lies beside this Python and perhaps not beside that one.
    path = (
        f"{Path(told.torch).parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    command = [told.torch, __file__, "--labs", "torch", *words]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path})


def main() -> None:
    """Run what was asked for and print a line for each lab."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=8)
    parser.add_argument("--labs", nargs="+", default=list(LABS), choices=list(LABS))
    parser.add_argument("--without-nbgrader", action="store_true")
    parser.add_argument("--tuned", action="store_true", help="also nbgrader with its best settings")
    parser.add_argument("--torch", metavar="PYTHON", help="runs the torch lab, where it cannot be run here")
    parser.add_argument("--otter", metavar="PYTHON", help="also otter-grader, which is installed there")
    parser.add_argument("--scale", nargs="*", type=int, metavar="N", help="the light lab, N submissions")
    parser.add_argument("--all", action="store_true", help="--tuned --scale 1 10 100 1000")
    told = parser.parse_args()
    told.tuned |= told.all
    if told.scale is None and told.all:
        told.scale = [1, 10, 100, 1000]
    settings = Settings(
        imports=(
            "numpy", "pandas", "pyarrow", "matplotlib.pyplot", "scipy.sparse", "sklearn.ensemble", "sklearn.linear_model",
            "sklearn.metrics", "sklearn.model_selection", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.compose",
        ),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        for kind in told.labs:
            if kind == "torch" and importlib.util.find_spec("torch") is None:
                elsewhere(told)
                continue
            folder = Path(name, kind)
            folder.mkdir()
            lab = folder / "lab.ipynb"
            lab.write_text(json.dumps(notebook(LABS[kind])))
            copies = Path(name, f"{kind}-submitted")
            paths = [copies / f"{number}" / "lab.ipynb" for number in range(told.submissions)]
            for path in paths:
                path.parent.mkdir(parents=True)
                shutil.copy(lab, path)
            one, above, ready, used = ours(lab, paths, settings, 1)
            two, *_ = ours(lab, paths, settings, 2)
            line = f"{kind}: ours {one:.3f} s ({used:.3f} s of processor), above own cells {above * 1000:.0f} ms, "
            line += f"ready in {ready:.1f} s, 2 workers x{one / two:.2f}; load {os.getloadavg()[0]:.1f}"
            print(line, flush=True)
            for tuned in [] if told.without_nbgrader else [False, True][: 1 + told.tuned]:
                theirs, spent = stock(lab, told.submissions, Path(name), tuned=tuned)
                shown = "nbgrader tuned" if tuned else "nbgrader as shipped"
                print(
                    f"{kind}: {shown} {theirs:.2f} s ({spent:.2f} s of processor): x{theirs / one:.1f} (one worker), "
                    f"x{theirs / two:.1f} (two), x{spent / used:.1f} (processor)",
                    flush=True,
                )
            if told.otter and kind != "torch":
                theirs, spent = grading_otter.measure(
                    told.otter, LABS[kind], told.submissions, Path(name, f"otter-{kind}")
                )
                print(
                    f"{kind}: otter-grader {theirs:.2f} s ({spent:.2f} s of processor): x{theirs / one:.1f} (one worker), "
                    f"x{theirs / two:.1f} (two), x{spent / used:.1f} (processor)",
                    flush=True,
                )
        if told.scale:
            lab = Path(name, "scaled.ipynb")
            lab.write_text(json.dumps(notebook(LIGHT)))
            for number, jobs in [*((number, 1) for number in told.scale), (max(told.scale), 2)]:
                step = grading_scale.measure(
                    lab, number, jobs, settings, Path(name, f"scale-{number}-{jobs}")
                )
                print(f"light, graded and recorded: {step}", flush=True)


if __name__ == "__main__":
    main()
