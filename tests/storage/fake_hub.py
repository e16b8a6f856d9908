"""A small server of our own in the place of the Hub, with one model, `team/model`."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path


class FakeHub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub's interface as a download of `team/model` needs."""

    sha = "0123456789012345678901234567890123456789"
    files: Mapping[str, bytes] = {}

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1]
        code, body, headers = 200, b"", {}
        if path.startswith("/api/models/team/model/tree"):
            body = json.dumps(
                [
                    {"type": "file", "path": path, "size": len(data), "oid": path.zfill(40)}
                    for path, data in self.files.items()
                ]
            ).encode()
        elif path.startswith("/api/models/team/model"):
            body = json.dumps({"id": "team/model", "sha": self.sha}).encode()
        elif path.startswith("/team/model/resolve/") and name in self.files:
            body = self.files[name]
            headers = {"ETag": f'"{name.zfill(40)}"', "X-Repo-Commit": self.sha}
        elif path != "/":
            code, headers = 404, {"X-Error-Code": "RepoNotFound"}
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(files: Mapping[str, bytes]) -> Iterator[int]:
    """Serve a model's files on this machine; gives the port."""
    handler = type("Handler", (FakeHub,), {"files": files})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def reaching(home: Path) -> dict[str, str]:
    """The environment of a process that may use the network, with an empty cache of its own."""
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    kept = {name: value for name, value in os.environ.items() if name not in offline}
    kept |= {"HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONPATH": "."}
    return kept | {"HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
