"""What the cohort's server refuses, asked without a server: who may write what, and nothing else."""

import pytest

from civicml.tracking.rules import Role, refusal

RUN = "0123456789abcdef0123456789abcdef"


def file(path: str) -> str:
    return f"/api/2.0/mlflow-artifacts/artifacts/1/{RUN}/artifacts/{path}"


@pytest.mark.parametrize("role", list(Role))
def test_reading_is_left_to_mlflow(role: Role) -> None:
    assert refusal(role, "GET", "/api/2.0/mlflow/runs/get") is None
    assert refusal(role, "POST", "/ajax-api/2.0/mlflow/runs/search") is None
    assert refusal(role, "POST", "/graphql") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "ANYTHING"])
@pytest.mark.parametrize(
    "path", ["/", "/api/9.9/mlflow/new/operation", "/gateway/x", "/v1/traces", "//api/2.0/mlflow/runs/create"]
)
@pytest.mark.parametrize("role", [Role.LEARNER, Role.REVIEWER])
def test_what_is_not_on_the_list_is_refused(role: Role, method: str, path: str) -> None:
    assert refusal(role, method, path)


@pytest.mark.parametrize(
    "path",
    [
        "review/page.html",
        "review",
        "Review/page.html",
        "%72eview/page.html",
        "%2572eview/page.html",
        "model/../review/page.html",
        "./review//page.html",
        "review\\page.html",
        "review/pa%0Age.html",
    ],
)
def test_the_reviews_folder_is_found_however_it_is_spelled(path: str) -> None:
    assert refusal(Role.LEARNER, "PUT", file(path))
    assert refusal(Role.REVIEWER, "PUT", file(path)) is None


@pytest.mark.parametrize("path", ["model/MLmodel", "reviews/a", "model/review/a", "review/../model/MLmodel"])
def test_a_reviewer_writes_nothing_but_the_review(path: str) -> None:
    assert refusal(Role.LEARNER, "PUT", file(path)) is None
    assert refusal(Role.REVIEWER, "PUT", file(path))


@pytest.mark.parametrize(
    ("operation", "tag", "allowed"),
    [
        ("model-versions/create", "civicml.data", True),
        ("model-versions/create", "colour", True),
        ("model-versions/create", "civicml.state", False),
        ("model-versions/create", "CIVICML.record", False),
        ("registered-models/create", "civicml.in_use", False),
        ("runs/set-tag", "civicml.anything", True),
        ("runs/set-tag", "civicml.review", False),
        ("runs/log-batch", " civicml.review.round", False),
    ],
)
def test_a_learner_cannot_say_what_was_decided(operation: str, tag: str, allowed: bool) -> None:
    assert (refusal(Role.LEARNER, "POST", f"/api/2.0/mlflow/{operation}", ["a", tag]) is None) is allowed


def test_the_instructor_may_do_everything() -> None:
    assert refusal(Role.INSTRUCTOR, "DELETE", "/api/2.0/mlflow/registered-models/delete") is None
