"""What a learner finds in place of a solution: one of nbgrader's steps, with a better word.

Loaded by name, from nbgrader's settings. It must not know what is released or graded.
"""

import re
from typing import TYPE_CHECKING

from nbgrader.preprocessors import ClearSolutions

if TYPE_CHECKING:
    from nbconvert.exporters.exporter import ResourcesDict
    from nbformat import NotebookNode

HERE = "# Your answer goes here, in place of the statement below."

_REGION = re.compile(r"[^\n]*BEGIN SOLUTION.*?END SOLUTION[^\n]*", re.DOTALL)
_RAISES = re.compile(r"^\s*raise NotImplementedError\b", re.MULTILINE)


class StubSolutions(ClearSolutions):  # type: ignore[misc]
    """Takes solutions out. A cell that goes on to raise NotImplementedError in its own words keeps them.

    After ``### END SOLUTION`` a lab may have ``raise NotImplementedError("q3: …")``: unreachable
    below the solution, and the hint for this one question without it. nbgrader's stub for all
    questions would stop the cell before that line.
    """

    def preprocess_cell(
        self, cell: "NotebookNode", resources: "ResourcesDict", cell_index: int
    ) -> "tuple[NotebookNode, ResourcesDict]":
        """Clear one cell."""
        general: dict[str, str] = self.code_stub  # type: ignore[has-type]
        rest = _REGION.sub("", cell.source)
        if cell.cell_type == "code" and rest != cell.source and _RAISES.search(rest):
            self.code_stub = dict.fromkeys(general, HERE)
        try:
            return super().preprocess_cell(cell, resources, cell_index)  # type: ignore[no-any-return]
        finally:
            self.code_stub = general
