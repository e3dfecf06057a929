"""A machine on which no kernel starts is never taken for a learner's mistake."""

import json

import pytest

from civicml.cohort import grade, gradebook
from civicml.errors import CivicmlError


def test_where_no_kernel_starts_nobody_is_marked_and_grading_can_be_run_again(
    cohort, week, hand_in, tiny, tmp_path, monkeypatch
):
    hand_in("ann", **tiny.RIGHT)
    broken = tmp_path / "broken" / "kernels" / "python3"
    broken.mkdir(parents=True)
    (broken / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"})
    )
    with monkeypatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(tmp_path / "broken"))
        with pytest.raises(CivicmlError, match=r"Notebooks cannot be run on this machine now: 3 times over"):
            grade(cohort, week, executor="nbgrader")
    [ann] = [one for one in gradebook(cohort, week) if one.learner.id == "ann"]
    assert ann.state == "submitted", "a mark was given for work that never ran"

    grade(cohort, week, executor="nbgrader")
    [ann] = [one for one in gradebook(cohort, week) if one.learner.id == "ann"]
    assert ann.score == 8
