"""Rules for any notebook of a week: stored as it ran, readable by everyone, at home everywhere.

They must not know whether the notebook is a lesson or a lab.
"""

import ast
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from civicml.standard.sheet import Problem, Sheet, count_words, parse

if TYPE_CHECKING:
    from nbformat import NotebookNode

LONGEST_CELL = 20
"""Seconds that a cell may take."""
LONGEST_NOTEBOOK = 60
"""Seconds that a notebook may take."""
FEWEST_WORDS = 5
"""Words that make a sentence under a picture."""

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")
_IMG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALT = re.compile(r"""\balt\s*=\s*("[^"]*\S[^"]*"|'[^']*\S[^']*')""", re.IGNORECASE)
_ABSOLUTE = re.compile(
    r"(?<![\w.~-])(?<!https:)(?<!http:)/{1,4}(?:home|tmp|work|usr|root|Users|var|opt|mnt|private)/[\w.-]+"
    r"|\b[A-Za-z]:\\{1,2}(?:Users|Windows|Program Files|Documents|Temp|Data)\b"
    r"|\b[A-Za-z]:/Users/\w+"
)
_ADDRESS = re.compile(r"(?:https?|ftp|s3|gs)://(?!localhost\b|127\.0\.0\.1\b)")
_NETWORK_MODULES = {
    "requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client", "ftplib", "smtplib",
    "socket", "wget", "gdown", "boto3", "huggingface_hub",
}  # fmt: skip
_SHOWS_ONLY = {"print", "display", "Markdown", "HTML", "Image"}
_INSTALLERS = re.compile(r"\b(?:pip3?|conda|mamba|uv|apt|apt-get|npm|curl|wget)\b")


def check_notebook(sheet: Sheet) -> Iterator[Problem]:
    """Every rule that holds for lessons and labs alike."""
    yield from check_format(sheet)
    yield from check_execution(sheet)
    yield from check_times(sheet)
    yield from check_headings(sheet)
    yield from check_images(sheet)
    yield from check_paths(sheet)
    yield from check_network(sheet)


def check_format(sheet: Sheet) -> Iterator[Problem]:
    """Valid, of version 4.5 or later, cells with ids of their own, for the kernel every learner has."""
    from nbformat import ValidationError
    from nbformat.validator import validate

    notebook = sheet.notebook
    version = (notebook.get("nbformat", 0), notebook.get("nbformat_minor", 0))
    if version < (4, 5):
        yield sheet.problem(None, f"it is in notebook format {version[0]}.{version[1]}; save it as 4.5.")
    ids = [cell.get("id") for cell in notebook.cells]
    for position, found in enumerate(ids, start=1):
        if not found:
            yield sheet.problem(
                position, "it has no cell id; save the notebook in JupyterLab to give it one."
            )
        elif ids.index(found) != position - 1:
            yield sheet.problem(
                position, f"it has the same cell id, '{found}', as cell {ids.index(found) + 1}."
            )
    if (
        version >= (4, 5) and all(ids) and len(set(ids)) == len(ids)
    ):  # nbformat would put ids right in place and go on
        try:
            validate(notebook)
        except ValidationError as error:
            reason = str(error).splitlines()[0].rstrip(".:")
            yield sheet.problem(None, f"it is not a valid notebook: {reason}.")
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield sheet.problem(None, f"its kernel is '{kernel}'; every learner has 'python3'.")


def check_execution(sheet: Sheet) -> Iterator[Problem]:
    """Executed from top to bottom in one go, with outputs stored and no error in them."""
    expected = 1
    in_order = True
    for position, cell in sheet.code:
        count = cell.get("execution_count")
        if in_order and count != expected:
            in_order = False
            ran = f"as number {count}" if count else "never"
            yield sheet.problem(
                position,
                f"it was run {ran}, and it is the notebook's code cell {expected}: restart and run all.",
            )
        expected += 1
        if "raises-exception" in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield sheet.problem(position, f"its stored output is an error, {output.ename}.")
    if expected > 1 and not any(cell.get("outputs") for _, cell in sheet.code):
        yield sheet.problem(None, "no output is stored in it: run it and save it with its outputs.")


def check_times(sheet: Sheet) -> Iterator[Problem]:
    """No cell over 20 s, no notebook over 60 s, where the times were stored."""
    total = 0.0
    for position, seconds in cell_seconds(sheet):
        total += seconds
        if seconds > LONGEST_CELL:
            yield sheet.problem(position, f"it took {seconds:.0f} s; no cell may take over {LONGEST_CELL} s.")
    if total > LONGEST_NOTEBOOK:
        yield sheet.problem(None, f"it took {total:.0f} s; no notebook may take over {LONGEST_NOTEBOOK} s.")


def cell_seconds(sheet: Sheet) -> Iterator[tuple[int, float]]:
    """How long each code cell took when it was last run, for cells whose times were stored."""
    for position, cell in sheet.code:
        times = cell.metadata.get("execution", {})
        try:
            began = datetime.fromisoformat(times["iopub.execute_input"])
            ended = datetime.fromisoformat(times["shell.execute_reply"])
        except (KeyError, TypeError, ValueError):
            continue
        yield position, (ended - began).total_seconds()


def check_headings(sheet: Sheet) -> Iterator[Problem]:
    """One heading of the first level, at the top, and no level skipped on the way down."""
    titles = [heading for heading in sheet.headings if heading.level == 1]
    if not titles:
        yield sheet.problem(None, "it has no title: begin with a heading of the first level ('# …').")
    elif sheet.headings[0].level != 1 or titles[0].cell != 1:
        yield sheet.problem(titles[0].cell, f"the title '{titles[0].text}' must come first.")
    for extra in titles[1:]:
        yield sheet.problem(extra.cell, f"'{extra.text}' is a second heading of the first level.")
    for above, below in zip(sheet.headings, sheet.headings[1:], strict=False):
        if below.level > above.level + 1:
            yield sheet.problem(
                below.cell, f"'{below.text}' skips from heading level {above.level} to {below.level}."
            )


def check_images(sheet: Sheet) -> Iterator[Problem]:
    """Every picture is described twice: in its alternative text, and in a sentence that follows."""
    for position, cell in sheet.cells:
        pictures = False
        for output in cell.get("outputs", []):
            data, metadata = output.get("data", {}), output.get("metadata", {})
            for kind in _IMAGES:
                if kind in data:
                    pictures = True
                    if not str(metadata.get(kind, {}).get("alt", "")).strip():
                        yield sheet.problem(position, "its picture has no alternative text (metadata 'alt').")
            html = data.get("text/html", "")
            for tag in _IMG.findall(html if isinstance(html, str) else "".join(html)):
                pictures = True
                if not _ALT.search(tag):
                    yield sheet.problem(position, "it shows an <img> without alternative text.")
        if cell.cell_type == "markdown":
            yield from _check_linked_images(sheet, position, cell)
        if pictures and not _read_out(sheet, position):
            yield sheet.problem(position, "no sentence follows its picture to say what it shows.")


def _check_linked_images(sheet: Sheet, position: int, cell: "NotebookNode") -> Iterator[Problem]:
    for token in parse(cell.source):
        for child in token.children or ():
            if child.type == "image" and not child.content.strip():
                yield sheet.problem(
                    position, f"the picture '{child.attrs.get('src')}' has no alternative text."
                )
        if token.type in ("html_block", "inline"):
            for tag in _IMG.findall(token.content):
                if not _ALT.search(tag):
                    yield sheet.problem(position, "it shows an <img> without alternative text.")


def _read_out(sheet: Sheet, position: int) -> bool:
    """Whether the cell after `position` is text with a sentence of prose in it."""
    following = sheet.notebook.cells[position : position + 1]
    return any(
        cell.cell_type == "markdown" and count_words(parse(cell.source)) >= FEWEST_WORDS for cell in following
    )


def check_paths(sheet: Sheet) -> Iterator[Problem]:
    """No path of one machine, in text, code or outputs."""
    for position, cell in sheet.cells:
        found = _ABSOLUTE.search(cell.source)
        if found:
            yield sheet.problem(position, f"'{found[0]}' is a path of one machine.")
        for output in cell.get("outputs", []):
            found = next((match for text in _texts(output) if (match := _ABSOLUTE.search(text))), None)
            if found:
                yield sheet.problem(position, f"its output shows '{found[0]}', a path of one machine.")


def _texts(value: Any, kind: str = "") -> Iterator[str]:  # noqa: ANN401 - whatever JSON holds
    """Every text of an output, pictures left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _IMAGES:
                yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def check_network(sheet: Sheet) -> Iterator[Problem]:
    """Nothing is fetched or installed."""
    for position, cell in sheet.code:
        tree = syntax(cell.source)
        if tree is None:
            yield sheet.problem(position, "it is not valid Python.")
            continue
        for reason in dict.fromkeys(_network_uses(tree)):
            yield sheet.problem(position, reason)


def _network_uses(tree: ast.Module) -> Iterator[str]:
    shown = {id(inner) for call in _calls(tree) if _called(call) in _SHOWS_ONLY for inner in ast.walk(call)}
    shown |= {
        id(inner) for node in ast.walk(tree) if isinstance(node, ast.Assert) for inner in ast.walk(node)
    }
    shown |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _imported(node):
                if name in _NETWORK_MODULES or name.partition(".")[0] in _NETWORK_MODULES:
                    yield f"it imports '{name}', which talks to the network."
                if name.startswith("sklearn.datasets.fetch_"):
                    yield f"it imports '{name}', which downloads."
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in shown:
            if _ADDRESS.match(node.value):
                yield f"it uses the address '{node.value}'; nothing may be fetched when it runs."
        elif isinstance(node, ast.Call):
            command = " ".join(
                inner.value
                for inner in ast.walk(node)
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
            )
            runs = _called(node) in ("system", "getoutput", "run_line_magic", "run", "Popen", "check_call")
            installer = _INSTALLERS.search(command)
            if runs and installer:
                yield f"it calls '{installer[0]}'; nothing may be installed or fetched when it runs."


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    function = call.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]


@lru_cache(maxsize=512)
def syntax(source: str) -> ast.Module | None:
    """A code cell as Python's syntax tree; None if it is not Python."""
    try:
        return ast.parse(plain_python(source))
    except (SyntaxError, ValueError):
        return None


def plain_python(source: str) -> str:
    """A code cell with IPython's own notation (``%time``, ``!ls``) translated into calls."""
    from IPython.core.inputtransformer2 import TransformerManager

    return str(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
