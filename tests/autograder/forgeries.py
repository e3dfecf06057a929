"""What `autograder/attacks/files.toml` does to a notebook or its file: one function an attack."""

import copy
import json
import os
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]


def write(notebook: Notebook, path: Path) -> None:
    path.write_text(json.dumps(notebook), encoding="utf-8")


def cell(notebook: Notebook, name: str) -> dict[str, Any]:
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)


def points_changed(notebook, path):
    cell(notebook, "q1_test")["metadata"]["nbgrader"]["points"] = 1000
    write(notebook, path)


def flags_flipped(notebook, path):
    for name in ("q1_test", "q3_test"):
        cell(notebook, name)["metadata"]["nbgrader"] |= {"grade": False, "solution": True, "locked": False}
    cell(notebook, "q2")["metadata"]["nbgrader"] |= {"grade": True, "points": 50}
    write(notebook, path)


def schema_version_99(notebook, path):
    for each in notebook["cells"]:
        each["metadata"].get("nbgrader", {})["schema_version"] = 99
    write(notebook, path)


def points_not_a_number(notebook, path):
    cell(notebook, "q1_test")["metadata"]["nbgrader"]["points"] = "abc"
    write(notebook, path)


def test_edited(notebook, path):
    cell(notebook, "q2_test")["source"] = "pass"
    write(notebook, path)


def test_deleted(notebook, path):
    notebook["cells"].remove(cell(notebook, "q2_test"))
    write(notebook, path)


def test_as_markdown(notebook, path):
    cell(notebook, "q2_test")["cell_type"] = "markdown"
    write(notebook, path)


def test_duplicated(notebook, path):
    twin = copy.deepcopy(cell(notebook, "q2_test"))
    twin["source"] = ""
    notebook["cells"].append(twin)
    write(notebook, path)


def test_moved_first(notebook, path):
    test = cell(notebook, "q5_test")
    notebook["cells"].remove(test)
    notebook["cells"].insert(0, test)
    write(notebook, path)


def tests_before_answers_swapped(notebook, path):
    own = {
        "cell_type": "code",
        "id": "own",
        "metadata": {},
        "source": "longest, share = 8, 0.4",
        "outputs": [],
    }
    place = notebook["cells"].index(cell(notebook, "q2"))
    notebook["cells"].insert(place, own)
    write(notebook, path)


def metadata_stripped(notebook, path):
    for each in notebook["cells"]:
        each["metadata"] = {}
    write(notebook, path)


def metadata_of_another_cell(notebook, path):
    test = cell(notebook, "q2_test")
    own = {"cell_type": "code", "id": "own", "metadata": copy.deepcopy(test["metadata"]), "source": "pass"}
    test["metadata"] = {}
    notebook["cells"].append(own)
    write(notebook, path)


def metadata_no_dictionary(notebook, path):
    own = {"cell_type": "code", "source": "x = 1", "outputs": []}
    notebook["cells"] += [{**own, "metadata": wrong} for wrong in ([1], 3, "text", None, {"nbgrader": [1]})]
    write(notebook, path)


def foreign_cells(notebook, path):
    marking = {"grade_id": "q99_test", "grade": True, "points": 99, "solution": False, "locked": True}
    own = {
        "cell_type": "code",
        "id": "q99",
        "metadata": {"nbgrader": marking},
        "source": "pass",
        "outputs": [],
    }
    notebook["cells"].append(own)
    write(notebook, path)


def duplicate_cell_ids(notebook, path):
    for each in notebook["cells"]:
        each["id"] = "q1_test"
    write(notebook, path)


def unknown_kernel(notebook, path):
    notebook["metadata"] = {"kernelspec": {"name": "evil", "language": "bash", "argv": ["/bin/sh"]}}
    write(notebook, path)


def old_format(notebook, path):
    import nbformat

    old = nbformat.convert(nbformat.from_dict(notebook), 3)
    path.write_text(json.dumps(old), encoding="utf-8")


def setup_deleted(notebook, path):
    notebook["cells"].remove(cell(notebook, "setup"))
    write(notebook, path)


def setup_edited(notebook, path):
    cell(notebook, "setup")["source"] += "\nframe = frame.iloc[:0]"
    write(notebook, path)


def outputs_forged(notebook, path):
    forged = {
        "output_type": "execute_result",
        "data": {"text/plain": "10", "text/html": "<script>1</script>"},
    }
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            each["outputs"] = [{**forged, "metadata": {}, "execution_count": 1}]
    write(notebook, path)


def shadow_modules_beside(notebook, path):
    code = "import builtins\nbuiltins.AssertionError = OSError\nraise SystemExit(0)\n"
    for name in ("numpy.py", "pandas.py", "math.py", "pytest.py", "sitecustomize.py", "civicml.py"):
        (path.parent / name).write_text(code)
    (path.parent / "x.pth").write_text("import os; os._exit(0)\n")
    startup = path.parent / ".ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text(code)
    write(notebook, path)


def source_as_list(notebook, path):
    for each in notebook["cells"]:
        each["source"] = each["source"].splitlines(keepends=True)
    write(notebook, path)


def not_json(notebook, path):
    path.write_text("{cells: ")


def not_utf8(notebook, path):
    path.write_bytes(json.dumps(notebook).encode() + "é".encode("latin-1"))


def empty_file(notebook, path):
    path.write_bytes(b"")


def no_notebook(notebook, path):
    path.write_text('{"cells": []}')


def no_cells(notebook, path):
    write({**notebook, "cells": {"a": 1}}, path)


def damaged_cell(notebook, path):
    notebook["cells"].append(3)
    write(notebook, path)


def deep_json(notebook, path):
    path.write_text("[" * 100_000 + "]" * 100_000)


def huge_file(notebook, path):
    with path.open("wb") as file:
        file.truncate(60 << 20)


def too_many_cells(notebook, path):
    notebook["cells"] += [{"cell_type": "markdown", "metadata": {}, "source": ""}] * 5000
    write(notebook, path)


def missing_file(notebook, path):
    pass


def symlink_to_peer(notebook, path):
    peer = path.parent / "peer.ipynb"
    write(notebook, peer)
    path.symlink_to(peer)


def hard_link_to_peer(notebook, path):
    peer = path.parent / "peer.ipynb"
    write(notebook, peer)
    os.link(peer, path)


def directory(notebook, path):
    path.mkdir()


def named_pipe(notebook, path):
    os.mkfifo(path)


def device(notebook, path):
    path.symlink_to("/dev/zero")
