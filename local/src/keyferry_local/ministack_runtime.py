"""What a function finds on Lambda and not in MiniStack's workers; runs in MiniStack's environment.

Layers are at /opt there. A worker unpacks them elsewhere, so variables that name a folder below /opt are rewritten. And
a worker would find every package of MiniStack's own environment; here it finds those of Lambda's runtime alone, so that
a layer that lacks one fails here as well. A function that cannot be imported says so in its log, in the line that
Lambda's runtime writes (aws-lambda-python-runtime-interface-client, bootstrap.py), and fails each invocation.
"""

import hashlib
import queue
import sysconfig
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime  # type: ignore[import-not-found]

_OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")
_READY = "    _ms_install_invoke_depth()\n    try:"
_PREPARE = """\
    own, runtime = {own!r}, {runtime!r}
    sys.path[:] = [runtime if path == own else path for path in sys.path]
    for layer in filter(None, os.environ.get("_LAMBDA_LAYERS_DIRS", "").split(os.pathsep)):
        for name, value in list(os.environ.items()):
            if value.startswith("/opt/") and os.path.exists(layer + value[4:]):
                os.environ[name] = layer + value[4:]
"""
_NOT_IMPORTED = """\
    except Exception as e:
        _real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\\n")
        _real_stdout.flush()
        return
"""
_FAIL = """\
    except Exception as e:
        failure = type(e).__name__, str(e)
        if isinstance(e, ImportError):
            failure = "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {e}"

        def handler_fn(event, context):
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            line = {"timestamp": now, "log_level": "ERROR", "errorType": failure[0], "errorMessage": failure[1]}
            print(json.dumps({**line, "requestId": "", "stackTrace": []}))
            raise RuntimeError(failure[1])

        _real_stdout.write(json.dumps({"status": "ready", "cold": True}) + "\\n")
        _real_stdout.flush()
"""
_unpacking = threading.Lock()


def install() -> None:
    """Change the script that every worker runs, and how it comes by its layers."""
    own = Path(sysconfig.get_path("purelib"))
    runtime = Path(tempfile.mkdtemp(prefix="runtime-"))
    for name in _OF_THE_RUNTIME:
        (runtime / name).symlink_to(own / name)
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if _READY not in script or _NOT_IMPORTED not in script:
        raise RuntimeError("MiniStack's worker is another one than the one that this was written for")
    prepare = _PREPARE.format(own=str(own), runtime=str(runtime))
    script = script.replace(_READY, prepare + _READY).replace(_NOT_IMPORTED, _FAIL)
    lambda_runtime._PYTHON_WORKER_SCRIPT = script
    lambda_runtime.Worker._drain_stderr_bounded = _drain_log
    lambda_runtime.zipfile = SimpleNamespace(
        ZipFile=_Zip, BadZipFile=zipfile.BadZipFile, LargeFileError=zipfile.LargeZipFile
    )


def _drain_log(worker: Any, first_line_wait: float = 0.05, *_: float) -> str:  # noqa: ANN401 - a class of MiniStack
    """Return the lines of an invocation, its last one too: Keyferry's functions end with their metrics.

    MiniStack takes five milliseconds without a line for the end. Under load the last lines come later, and were told
    with the next invocation only.
    """
    lines: list[str] = []
    wait = first_line_wait
    while True:
        try:
            lines.append(worker._stderr_queue.get(timeout=wait))
        except queue.Empty:
            return "\n".join(lines)
        wait = 0.005 if '"_aws"' in lines[-1] else 0.25


class _Zip(zipfile.ZipFile):
    """Unpacks each layer once, for all workers: most of the time of a cold start, and 100 MB of disk, for each."""

    def extractall(self, path: Any = None, *rest: Any, **more: Any) -> None:  # noqa: ANN401 - as in the base class
        if not Path(path).name.startswith("layer_"):
            super().extractall(path, *rest, **more)
            return
        digest = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
        unpacked = Path(tempfile.gettempdir()) / f"layer-{digest}"
        with _unpacking:
            if not unpacked.exists():
                super().extractall(unpacked)
        for entry in unpacked.iterdir():
            (Path(path) / entry.name).symlink_to(entry)
