"""Puts a run's figures into a dossier, so that nobody copies one by hand.

Changes numbers where a metric is named and leaves every other letter as it was. Must not know MLflow: the
run's figures are handed in.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from civicml.dossier.exporting import write
from civicml.dossier.forms import forms
from civicml.dossier.reading import FENCE
from civicml.errors import CivicmlError

DECIMALS = 4
"""Figures among the facts are written to this many decimals."""

_TABLE = re.compile(r"\s*\[\[?(?P<name>[\w.]+)\]\]?\s*(#.*)?")
_METRIC = re.compile(r'\s*metric\s*=\s*"(?P<name>[^"]*)"')
_END = re.compile(r"\s*(?P<key>value|low|high)\s*=")
_LINE = re.compile(
    r"(?P<before>\s*(?P<key>\w+)\s*=\s*(?:\{\s*value\s*=\s*)?)(?P<is>\"[^\"]*\"|[-\w.]+)(?P<after>.*)"
)
_MARKED = re.compile(
    r"(?P<is>[-+−]?\d[\d,]*(?:\.\d+)?)(?P<unit>%?)(?P<mark><!--=\s*(?P<metric>[\w./-]+)\s*-->)"
)


def fill(
    folder: Path,
    *,
    metrics: Mapping[str, float],
    facts: Mapping[str, str | int],
    quantities: Mapping[str, str] | None = None,
) -> None:
    """Write a run's figures over those in the dossier in `folder`.

    Among the facts, ``value`` below a ``metric`` becomes that metric, and ``low`` and ``high`` the metrics
    ``<metric>_low`` and ``<metric>_high`` if the run has them. In prose, a number followed by
    ``<!--= metric -->`` becomes that metric with the decimals it has; with a per cent sign, times a hundred.

    Args:
        folder: the dossier; all its files are replaced, or none.
        metrics: of the run, by name.
        facts: {key: value} that is the same wherever the key stands: ``version``, ``run_id``, ``hash``.
        quantities: {table and key, such as ``training.rows``: the metric that gives the number}.

    Raises:
        CivicmlError: a document is missing or cannot be read, or names a metric that the run does not have.
    """
    filled = {}
    for form in forms():
        path = folder / form.file
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CivicmlError(f"{path} cannot be read: {error}.") from error
        run = _Run(path, metrics, facts, quantities or {})
        filled[path] = run.facts(text) if not form.headings else run.document(text)
    write(filled.items())


class _Run:
    def __init__(
        self,
        path: Path,
        metrics: Mapping[str, float],
        facts: Mapping[str, str | int],
        quantities: Mapping[str, str],
    ) -> None:
        self._path, self._metrics, self._facts, self._quantities = path, metrics, facts, quantities

    def document(self, text: str) -> str:
        parts = text.split(f"{FENCE}\n", 2)
        if len(parts) != 3:
            raise CivicmlError(f"{self._path} does not have its facts between two lines of {FENCE}.")
        before, facts, prose = parts
        return f"{FENCE}\n".join([before, self.facts(facts), _MARKED.sub(self._in_prose, prose)])

    def facts(self, text: str) -> str:
        table, metric, lines = "", "", []
        for line in text.split("\n"):
            if found := _TABLE.fullmatch(line):
                table, metric = found["name"], ""
            elif found := _METRIC.match(line):
                metric = found["name"]
            end = _END.match(line) if metric else None
            lines.append(self._figure(line, metric, end["key"]) if end else self._fact(line, table))
        made = "\n".join(lines)
        try:
            tomllib.loads(made)
        except tomllib.TOMLDecodeError as error:
            raise CivicmlError(f"{self._path}: the facts are not valid TOML: {error}.") from error
        return made

    def _figure(self, line: str, metric: str, key: str) -> str:
        name = metric if key == "value" else f"{metric}_{key}"
        if key != "value" and name not in self._metrics:
            return line
        return _put(line, f"{self._metric(name):.{DECIMALS}f}")

    def _fact(self, line: str, table: str) -> str:
        found = _LINE.fullmatch(line)
        if found is None:
            return line
        if found["key"] in self._facts:
            told = self._facts[found["key"]]
            return _put(line, f'"{told}"' if isinstance(told, str) else str(told))
        metric = self._quantities.get(f"{table}.{found['key']}")
        if metric is None:
            return line
        number = self._metric(metric)
        return _put(line, f"{number:.0f}" if number == int(number) else f"{number:.{DECIMALS}f}")

    def _in_prose(self, found: re.Match[str]) -> str:
        number = self._metric(found["metric"]) * (100 if found["unit"] else 1)
        decimals = len(found["is"].partition(".")[2])
        comma = "," if abs(number) >= 1000 else ""
        return f"{number:{comma}.{decimals}f}{found['unit']}{found['mark']}"

    def _metric(self, name: str) -> float:
        if name not in self._metrics:
            raise CivicmlError(f"{self._path.name} quotes '{name}', and the run has no metric of that name.")
        return float(self._metrics[name])


def _put(line: str, value: str) -> str:
    found = _LINE.fullmatch(line)
    return line if found is None else f"{found['before']}{value}{found['after']}"
