"""The engine's layers, and the folders that must never become importable."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_folders_named_like_libraries_are_not_packages():
    for name in ("datasets", "mlflow", "autograder", "modules", "course"):
        assert not list((REPOSITORY / name).rglob("__init__.py")), f"{name}/ must not be importable"
        assert not (REPOSITORY / f"{name}.py").exists()
    assert not list((REPOSITORY / "mlflow").rglob("test_*.py"))


def test_importing_the_engine_leaves_the_library_names_alone():
    code = (
        "import sys, civicml.course, importlib.util as u;"
        "import mlflow; assert 'site-packages' in mlflow.__file__, mlflow.__file__;"
        "found = u.find_spec('datasets'); assert found is None or found.origin, 'datasets/ is importable'"
    )
    subprocess.run([sys.executable, "-P", "-c", code], cwd=REPOSITORY, check=True)
