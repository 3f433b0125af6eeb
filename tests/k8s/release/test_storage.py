"""Moving a release's history, against an API server that holds Secrets and ConfigMaps in memory."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from k8s.release.commands import release
from k8s.release.errors import ReleaseError
from k8s.release.storage import move

Objects = dict[str, dict[str, dict]]


def _revision(number: int, kind: str = "helm.sh/release.v1") -> dict:
    labels = {"owner": "helm", "name": "risk", "version": str(number)}
    data = {"release": base64.b64encode(f"H4sI{number}".encode()).decode()}
    return {"metadata": {"name": f"sh.helm.release.v1.risk.v{number}", "labels": labels}, "type": kind, "data": data}


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    """The Secrets and ConfigMaps of a server by kind and name; KUBECONFIG names the server."""
    held: Objects = {"secrets": {}, "configmaps": {}}

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self, code: int, document: dict) -> None:
            body = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _path(self) -> tuple[str, str]:
            kind, _, name = self.path.partition("?")[0].removeprefix("/api/v1/namespaces/here/").partition("/")
            return kind, name

        def do_GET(self) -> None:
            kind, name = self._path()
            found = held[kind].get(name, {}) if name else {"items": list(held[kind].values())}
            self._answer(200 if found else 404, found)

        def do_POST(self) -> None:
            kind, _ = self._path()
            made = json.loads(self.rfile.read(int(self.headers["content-length"])))
            name = made["metadata"]["name"]
            self._answer(409 if name in held[kind] else 201, held[kind].setdefault(name, made))

        def do_DELETE(self) -> None:
            kind, name = self._path()
            del held[kind][name]
            self._answer(200, {"kind": "Status", "status": "Success"})

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    named = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps(named))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    yield held
    server.shutdown()
    server.server_close()


def _hold(objects: Objects, *revisions: dict) -> None:
    objects["secrets"] |= {each["metadata"]["name"]: each for each in revisions}


def test_every_revision_is_moved_as_helm_would_have_kept_it(objects: Objects) -> None:
    """After a move, ConfigMaps have the names, labels and text of the Secrets, and the Secrets are deleted."""
    _hold(objects, _revision(1), _revision(2))
    said = CliRunner().invoke(release, ["move", "--release", "risk", "--namespace", "here"], catch_exceptions=False)
    assert "2 revisions" in said.output
    assert objects["secrets"] == {}
    for number in (1, 2):
        made = objects["configmaps"][f"sh.helm.release.v1.risk.v{number}"]
        assert made["metadata"]["labels"] == {"owner": "helm", "name": "risk", "version": str(number)}
        assert made["data"] == {"release": f"H4sI{number}"}


def test_a_move_that_was_interrupted_can_be_repeated(objects: Objects) -> None:
    """A revision that is already in a ConfigMap is not a conflict."""
    _hold(objects, _revision(1), _revision(2))
    name = "sh.helm.release.v1.risk.v1"
    objects["configmaps"][name] = {"metadata": {"name": name}, "data": {"release": "H4sI1"}}
    assert len(move("risk", "here")) == 2
    assert len(objects["configmaps"]) == 2


def test_another_revision_of_the_same_number_is_not_overwritten(objects: Objects) -> None:
    """If a ConfigMap of the same name has other content, nothing is deleted, and the error names the ConfigMap."""
    _hold(objects, _revision(1))
    name = "sh.helm.release.v1.risk.v1"
    objects["configmaps"][name] = {"metadata": {"name": name}, "data": {"release": "other"}}
    with pytest.raises(ReleaseError, match=f"The ConfigMap {name} .* hold different revisions"):
        move("risk", "here")
    assert name in objects["secrets"]
    assert objects["configmaps"][name]["data"] == {"release": "other"}


def test_no_other_secret_is_moved(objects: Objects) -> None:
    """A Secret that has Helm's labels but not its type stays; without a Secret of Helm, an error says so."""
    _hold(objects, _revision(1, kind="Opaque"))
    with pytest.raises(ReleaseError, match="No Secret of here has a revision of risk"):
        move("risk", "here")
    assert len(objects["secrets"]) == 1
    assert objects["configmaps"] == {}
