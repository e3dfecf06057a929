"""A learner's installation from the kit works without the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


class Learner:
    """A learner's machine: the kit in a folder of theirs, an environment in it, and nothing else set."""

    def __init__(self, kit: Path, home: Path) -> None:
        self.kit = kit
        self.bin = kit / ".venv" / "bin"
        unset = ("CIVICML_", "MLFLOW_", "JUPYTER", "PYTHON", "VIRTUAL_ENV")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
        self.environment |= {"HOME": str(home), "CIVICML_LEARNER": "ana", "COLUMNS": "200"}

    def run(self, *command: str, folder: str = ".", check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.kit / folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    def python(self, code: str, folder: str = ".") -> str:
        return self.run("python", "-c", code, folder=folder).stdout.strip()


@pytest.fixture(scope="session")
def learner(made, tmp_path_factory: pytest.TempPathFactory) -> Learner:
    """The kit with its wheel installed as the kit's page says.

    The other packages are this environment's own: fetching two hundred of them takes minutes. Its link
    to the repository is not followed, because only a site's own directory has its .pth files read.
    """
    kit = tmp_path_factory.mktemp("elsewhere") / "civicml-kit"
    shutil.copytree(made.folder, kit)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(kit / ".venv")], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = kit / ".venv" / "lib" / version / "site-packages"
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    [wheel] = kit.glob("*.whl")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", str(kit / ".venv" / "bin" / "python"),
            "install", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--no-index", "--force-reinstall", str(wheel),
        ],
        check=True,
    )  # fmt: skip
    return Learner(kit, tmp_path_factory.mktemp("home"))


def test_the_engine_is_the_kits_own(learner: Learner) -> None:
    where = learner.python("import civicml, sys; print(civicml.__file__, *sys.path, sep='\\n')").splitlines()

    assert where[0].startswith(str(learner.kit))
    assert str(REPOSITORY / "src") not in where


def test_the_commands_know_the_course(learner: Learner) -> None:
    assert "The workbench" in learner.run("civicml", "weeks", folder="modules/week01_workbench").stdout
    root = learner.python("from civicml.course import find_root; print(find_root())", folder="modules")
    assert root == str(learner.kit)


def test_the_tables_load_from_the_kit_and_no_other_layer_does(learner: Learner) -> None:
    said = learner.python(
        "from civicml.datasets import load, load_raw, load_sealed\n"
        "from civicml.errors import CivicmlError\n"
        "print(len(load('gp_appointments').appointments))\n"
        "for layer in (load_raw, load_sealed):\n"
        "    try: layer('gp_appointments')\n"
        "    except CivicmlError as error: print(error)\n",
        folder="modules/week01_workbench",
    ).splitlines()

    assert int(said[0]) > 200_000
    assert len(said) == 3
    assert all("not in a learner's kit" in line for line in said[1:])


def test_a_run_is_kept_in_the_kit(learner: Learner) -> None:
    said = learner.python(
        "from civicml import tracking\n"
        "import mlflow\n"
        "with tracking.start('week01', run_name='rule of thumb'): mlflow.log_metric('recall', 0.4)\n"
        "print(tracking.last_run('week01').data.metrics)\n",
        folder="modules/week01_workbench",
    )

    assert said == "{'recall': 0.4}"
    assert (learner.kit / "tracking" / "mlflow.db").is_file()


def test_the_lab_can_be_checked_before_and_says_what_is_not_answered(learner: Learner) -> None:
    done = learner.run("civicml", "check", "week01", check=False)

    assert "not answered" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_jupyterlab_would_open_on_the_newest_week_without_instructors_tools(learner: Learner) -> None:
    said = learner.python(
        "from civicml.lab import plan\n"
        "planned = plan()\n"
        "print(planned.path, planned.is_kit, planned.formgrader, planned.cohort)\n"
    )

    assert said == "/lab/tree/modules/week01_workbench/README.md True False None"


def test_a_lesson_runs_from_top_to_bottom(learner: Learner) -> None:
    folder = "modules/week01_workbench"
    [path] = (learner.kit / folder).glob("lesson1_*.ipynb")

    execute = ("-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", "run", path.name)
    learner.run("python", *execute, folder=folder)

    assert "image/png" in (learner.kit / folder / "run" / path.name).read_text(encoding="utf-8")


def test_the_two_lines_of_the_kits_page_name_what_is_there(learner: Learner) -> None:
    page = (learner.kit / "README.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in page.split("On Windows")[0].splitlines() if line.startswith("    ")]

    assert len(lines) == 2
    install, start = lines
    assert install == ("python3.11 -m venv .venv && .venv/bin/python -m pip install -r requirements.lock")
    assert start == ".venv/bin/civicml lab"
    assert (learner.bin / "civicml").is_file()
    wheel = (learner.kit / "requirements.lock").read_text(encoding="utf-8").splitlines()[-1]
    assert (learner.kit / wheel).is_file()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
