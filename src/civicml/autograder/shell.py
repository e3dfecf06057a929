# ruff: noqa: ANN401 - values of any kind pass through here
"""An IPython shell that keeps what cells show, as nbformat outputs; no kernel and no sockets.

Made once in a worker, before it forks. It must not know about sandboxes or tests.
"""

import base64
import io
import os
import sys
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Any as AnyTrait
from traitlets import Type

Output = dict[str, Any]


class Outputs:
    """The outputs of the cell that is running, up to a size."""

    def __init__(self) -> None:
        self.most_bytes = 2 << 20
        self.most = 100
        self.begin()

    def begin(self) -> None:
        """Forget everything: a new cell starts."""
        self.kept: list[Output] = []
        self.count: int | None = None
        self._size = 0
        self._cut = False
        self._clear_next = False

    def text(self, name: str, text: str) -> None:
        """Add to what was printed."""
        self._clear_if_waiting()
        room = self.most_bytes - self._size
        if room <= 0 or (len(self.kept) >= self.most and not self._continues(name)):
            self._note()
            return
        self._size += len(text)
        if len(text) > room:
            text = text[:room]
        if self._continues(name):
            self.kept[-1]["text"].append(text)
        else:
            self.kept.append({"output_type": "stream", "name": name, "text": [text]})

    def add(self, output: Output, *, always: bool = False) -> None:
        """Add a display, a result or an error."""
        self._clear_if_waiting()
        size = sum(len(str(part)) for part in (output.get("data") or output).values())
        if not always and (self._size + size > self.most_bytes or len(self.kept) >= self.most):
            self._note()
            return
        self._size += size
        self.kept.append(output)

    def clear(self, *, wait: bool) -> None:
        """Drop what was shown, now or when something new comes."""
        if wait:
            self._clear_next = True
        else:
            self.kept, self._size = [], 0

    def update(self, display: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Change a display of this cell."""
        for output in self.kept:
            if output.get("transient") == display:
                output["data"], output["metadata"] = data, metadata

    def finished(self) -> list[Output]:
        """What was kept, as nbformat has it."""
        done = []
        for output in self.kept:
            whole = {key: value for key, value in output.items() if key != "transient"}
            if whole["output_type"] == "stream":
                whole["text"] = "".join(whole["text"])
            done.append(whole)
        return done

    def _continues(self, name: str) -> bool:
        return bool(self.kept) and self.kept[-1].get("name") == name

    def _clear_if_waiting(self) -> None:
        if self._clear_next:
            self.kept, self._size, self._clear_next = [], 0, False

    def _note(self) -> None:
        if not self._cut:
            self._cut = True
            self.kept.append(
                {"output_type": "stream", "name": "stderr", "text": ["\n[The rest of the output was cut.]\n"]}
            )


class _Stream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a cell."""

    def __init__(self, outputs: Outputs, name: str, number: int) -> None:
        self._outputs, self._name, self._number = outputs, name, number
        self.buffer = _Bytes(self)

    encoding = "utf-8"

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._outputs.text(self._name, text)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number


class _Bytes(io.RawIOBase):
    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)


class _Publisher(DisplayPublisher):
    outputs = AnyTrait()

    def publish(  # type: ignore[override]
        self, data: Any, metadata: Any = None, *, transient: Any = None, update: bool = False, **_: Any
    ) -> None:
        data, metadata = _as_json(data), metadata or {}
        display = (transient or {}).get("display_id")
        if update:
            self.outputs.update(display, data, metadata)
        else:
            self.outputs.add(
                {"output_type": "display_data", "data": data, "metadata": metadata, "transient": display}
            )

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.clear(wait=wait)


class _Hook(DisplayHook):
    outputs = AnyTrait()

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        self.outputs.add(
            {
                "output_type": "execute_result",
                "execution_count": self.prompt_count,
                "data": _as_json(format_dict),
                "metadata": md_dict or {},
            }
        )

    def finish_displayhook(self) -> None:
        self._is_active = False


class GradingShell(InteractiveShell):
    """IPython as a kernel has it: pictures in the notebook, no questions asked."""

    displayhook_class = Type(_Hook)
    display_pub_class = Type(_Publisher)
    outputs = AnyTrait()

    def __init__(self, **kwargs: Any) -> None:
        self.outputs = Outputs()
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.displayhook.outputs = self.outputs  # type: ignore[attr-defined]
        self.display_pub.outputs = self.outputs  # type: ignore[attr-defined]
        self.user_ns["input"] = None
        del self.user_ns["input"]

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self.outputs.add(
            {
                "output_type": "error",
                "ename": str(getattr(etype, "__name__", etype)),
                "evalue": _said(evalue),
                "traceback": [str(line)[:20_000] for line in stb[:100]],
            },
            always=True,
        )

    def system(self, cmd: str) -> None:
        """`!command`: its output goes where this process's own goes."""
        import subprocess

        done = subprocess.run(self.var_expand(cmd, depth=1), shell=True, check=False)  # type: ignore[no-untyped-call]  # noqa: S602
        self.user_ns["_exit_code"] = done.returncode

    system_piped = system
    system_raw = system

    def enable_gui(self, gui: Any = None) -> None:
        """No windows."""

    def ask_exit(self) -> None:
        """`exit` ends nothing: the rest of the notebook is graded."""


def _said(error: Any) -> str:
    try:
        return str(error)[:20_000]
    except Exception:
        return ""


def _as_json(data: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
    }


def make_shell(folder: str) -> GradingShell:
    """The one shell of this process, quiet and without history.

    Args:
        folder: a directory for IPython's own files.
    """
    os.environ["IPYTHONDIR"] = folder
    from traitlets.config import Config

    settings = Config()
    settings.HistoryManager.enabled = False
    settings.HistoryManager.hist_file = ":memory:"
    settings.InteractiveShell.colors = "NoColor"
    settings.InteractiveShell.xmode = "Context"
    shell = GradingShell.instance(config=settings)
    if "matplotlib" in sys.modules:
        shell.enable_matplotlib("inline")  # type: ignore[no-untyped-call]
    return shell


def take_over_streams(shell: GradingShell) -> None:
    """Send what Python code prints to the running cell."""
    sys.stdin = io.StringIO("")
    sys.stdout = _Stream(shell.outputs, "stdout", 1)
    sys.stderr = _Stream(shell.outputs, "stderr", 2)
