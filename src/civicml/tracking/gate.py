"""The application that the cohort's tracking server runs: MLflow with its own sign-in, and our rules.

It lives in the server's process only; importing it elsewhere starts MLflow's authentication. MLflow
calls `authenticate` for every request, because the server's ``auth.ini`` names it.
"""

from flask import Response as FlaskResponse
from flask import make_response, request
from google.protobuf.message import Message
from mlflow.protos.model_registry_pb2 import CreateModelVersion, CreateRegisteredModel
from mlflow.protos.service_pb2 import CreateRun, DeleteTag, LogBatch, SetTag
from mlflow.server import app as _flask
from mlflow.server import auth
from mlflow.server.handlers import _get_model_registry_store, _get_request_message
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from starlette.types import Receive, Scope, Send
from werkzeug.datastructures import Authorization

from civicml.tracking.pages import serve_pages
from civicml.tracking.rules import CANDIDATE, CAPSTONE, Role, refusal

_NEW_VERSION = "/mlflow/model-versions/create"
_WITH_TAGS: dict[str, type[Message]] = {
    "/mlflow/runs/create": CreateRun,
    "/mlflow/runs/log-batch": LogBatch,
    "/mlflow/registered-models/create": CreateRegisteredModel,
    _NEW_VERSION: CreateModelVersion,
}
_WITH_ONE_TAG: dict[str, type[Message]] = {
    "/mlflow/runs/set-tag": SetTag,
    "/mlflow/runs/delete-tag": DeleteTag,
}


def authenticate() -> Authorization | FlaskResponse:
    """Who sends the request, as MLflow's basic authentication says; a refusal where a rule forbids it."""
    who = auth.authenticate_request_basic_auth()
    if isinstance(who, FlaskResponse):
        return who
    reason = refusal(_role(str(who.username)), request.method, request.path, _tags())
    if reason is None:
        return who
    return make_response({"error_code": "PERMISSION_DENIED", "message": reason}, 403)


def _role(username: str) -> Role:
    user = auth.store.get_user(username)
    if user.is_admin:
        return Role.INSTRUCTOR
    roles = auth.store.list_user_roles_for_workspace(user.id, DEFAULT_WORKSPACE_NAME)
    return Role.REVIEWER if Role.REVIEWER in {role.name for role in roles} else Role.LEARNER


def _tags() -> list[str]:
    """The names of the tags that the request sets or takes away, read as MLflow's handler reads them."""
    path = request.path[max(request.path.find("/mlflow/"), 0) :]
    if request.method != "POST":
        return []
    if path in _WITH_ONE_TAG:
        message = _get_request_message(_WITH_ONE_TAG[path]())  # type: ignore[no-untyped-call]
        return [message.key]
    if path in _WITH_TAGS:
        message = _get_request_message(_WITH_TAGS[path]())  # type: ignore[no-untyped-call]
        return [tag.key for tag in message.tags]
    return []


def _mark_candidate(response: FlaskResponse) -> FlaskResponse:
    """Make a capstone's newest version the candidate: its author may not move an alias."""
    if request.path.endswith(_NEW_VERSION) and response.status_code == 200:
        version = response.get_json()["model_version"]
        if str(version["name"]).startswith(CAPSTONE):
            registry = _get_model_registry_store()
            name, number = version["name"], version["version"]
            registry.set_registered_model_alias(name, CANDIDATE, number)  # type: ignore[no-untyped-call]
    return response


_flask.after_request(_mark_candidate)
_mlflow = auth.create_app()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request: MLflow's pages without the assistant, behind MLflow's sign-in."""
    if scope.get("path") == "/" and not any(name == b"authorization" for name, _ in scope["headers"]):
        await _mlflow(scope, receive, send)  # MLflow asks for the password, so that the browser does
    else:
        await serve_pages(_mlflow, scope, receive, send)
