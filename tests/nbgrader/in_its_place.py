"""A plugin of pytest: nbgrader's own tests run with our executor in the place of its ``Execute``.

Used by ``benchmarks/nbgrader_tests.py``; in a process that runs nothing else.
"""

from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute
from nbgrader.validator import Validator

from civicml.cohort.executor import EngineExecute


def pytest_configure() -> None:
    """Change the defaults of what autogrades and what validates; all else stays nbgrader's."""
    for steps in (Autograde.autograde_preprocessors, Validator.preprocessors):
        names = [EngineExecute if step is Execute else step for step in steps.default_args[0]]
        assert EngineExecute in names
        steps.default_args = (names,)
