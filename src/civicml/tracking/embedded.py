"""The application that the embedded server runs: MLflow's pages, for whoever can reach this machine."""

from mlflow.server.fastapi_app import app as _mlflow
from starlette.types import Receive, Scope, Send

from civicml.tracking.pages import serve_pages


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    await serve_pages(_mlflow, scope, receive, send)
