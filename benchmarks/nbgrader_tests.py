"""nbgrader's own tests, run with our executor in the place of its ``Execute``.

    python benchmarks/nbgrader_tests.py [--quick] [--record]

Runs the modules that autograde, validate and preprocess, as they lie in the installed nbgrader. What passed
with nbgrader's own executor is in ``tests/nbgrader/passes.txt``; ``--record`` runs them that way first and
writes the file. Prints every test that passes there and not here, with the reason from
``tests/nbgrader/differences.toml``, and ends with 1 where one has none. ``--quick`` leaves autograding out.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import nbgrader

OURS = Path(__file__).parents[1] / "tests" / "nbgrader"
SITE = Path(nbgrader.__file__).parents[1]
PASSES = OURS / "passes.txt"
DIFFERENCES = OURS / "differences.toml"
QUICK = (
    "nbgrader.tests.test_validator",
    "nbgrader.tests.apps.test_nbgrader_validate",
    "nbgrader.tests.preprocessors",
)
SLOW = ("nbgrader.tests.apps.test_nbgrader_autograde",)


def passed(modules: tuple[str, ...], *, with_ours: bool) -> set[str]:
    """The names of the tests that pass, as ``module::Class::test``."""
    with tempfile.TemporaryDirectory(prefix="civicml-nbgrader-tests-") as folder:
        report = Path(folder, "report.xml")
        places = (
            [os.environ.get("PYTHONPATH", ""), str(OURS)] if with_ours else [os.environ.get("PYTHONPATH", "")]
        )
        subprocess.run(
            [
                sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-c", os.devnull,
                "--rootdir", SITE, *(["-p", "in_its_place"] if with_ours else []),
                f"--junitxml={report}", "--pyargs", *modules,
            ],
            # nbgrader calls alembic as a command, which lies beside this Python.
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, places)),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            cwd=folder,
            stdout=sys.stderr,
            check=False,
        )  # fmt: skip
        cases = ET.parse(report).getroot().iter("testcase")
        return {_name(case) for case in cases if not any(child.tag in _NOT_PASSED for child in case)}


_NOT_PASSED = ("failure", "error", "skipped")


def _name(case: ET.Element) -> str:
    module = case.get("classname", "")
    inside = module[module.find("test_") :]
    return f"{inside.replace('.', '::')}::{case.get('name')}"


def main() -> int:
    """Run them and say what differs; 1 where a difference has no reason."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="leave out the module that autogrades")
    parser.add_argument("--record", action="store_true", help="run them with nbgrader's own executor first")
    told = parser.parse_args()
    modules = QUICK if told.quick else (*QUICK, *SLOW)
    if told.record:
        PASSES.write_text(
            "\n".join(sorted(passed((*QUICK, *SLOW), with_ours=False))) + "\n", encoding="utf-8"
        )
    wanted = set(PASSES.read_text(encoding="utf-8").split("\n")) - {""}
    if told.quick:
        wanted = {name for name in wanted if not name.startswith(SLOW[0].rpartition(".")[2])}
    reasons = tomllib.loads(DIFFERENCES.read_text(encoding="utf-8"))
    ours = passed(modules, with_ours=True)
    missing = sorted(wanted - ours)
    print(f"{len(wanted)} tests pass with nbgrader's own executor, {len(wanted & ours)} of them with ours.")
    for name in missing:
        print(f"  {name}: {reasons.get(name, 'NOT EXPLAINED')}")
    return 1 if set(missing) - set(reasons) else 0


if __name__ == "__main__":
    sys.exit(main())
