"""MLflow's pages without MLflow's assistant: what the embedded server and the cohort's server show.

The assistant can run programs on this machine and send what it reads to a vendor of language
models. Who wants it in a department decides so in ``mlflow/server.toml``. The pages also
open where a learner's runs are, in place of MLflow's own welcome.
"""

from pathlib import Path

import mlflow.server
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_ASSISTANT = "/mlflow/assistant"
_INDEX = Path(mlflow.server.__file__).parent / mlflow.server.REL_STATIC_DIR / "index.html"
# What the pages keep in the browser, set before they look at it: the assistant's panel has been shown and
# need not open by itself; and, until the person chooses, runs are what is shown, not traces.
_FIRST = """<head><script>
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
if (!localStorage.getItem("mlflow.workflowType_v1"))
  localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
if (!location.hash) location.replace("#/experiments");
</script>"""


async def serve_pages(server: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request: refuse the assistant, send the first page ourselves, pass on the rest.

    Args:
        server: MLflow's own application.
        scope: the request, as ASGI says it; `receive` and `send` are its two ends.
        receive: gives the request's body.
        send: takes the answer.
    """
    path = scope.get("path", "")
    if _ASSISTANT in path:
        refusal = JSONResponse(
            {"detail": "MLflow's assistant is off; see mlflow/server.toml."}, status_code=403
        )
        await refusal(scope, receive, send)
    elif path == "/" and scope["type"] == "http":
        page = _INDEX.read_text(encoding="utf-8").replace("<head>", _FIRST, 1)
        await HTMLResponse(page, headers={"X-Frame-Options": "SAMEORIGIN"})(scope, receive, send)
    else:
        await server(scope, receive, send)
