"""Moving a release's history, with an API server that has Secrets and ConfigMaps in memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from click.testing import CliRunner

from k8s.release.commands import release
from k8s.release.errors import ReleaseError
from k8s.release.storage import move
from tests.http_server import serving, use_kubeconfig

Objects = dict[str, dict[str, dict]]


def _revision(number: int, kind: str = "helm.sh/release.v1") -> dict:
    labels = {"owner": "helm", "name": "risk", "version": str(number)}
    data = {"release": base64.b64encode(f"H4sI{number}".encode()).decode()}
    return {"metadata": {"name": f"sh.helm.release.v1.risk.v{number}", "labels": labels}, "type": kind, "data": data}


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    """The Secrets and ConfigMaps of a server by kind and name; KUBECONFIG names the server."""
    held: Objects = {"secrets": {}, "configmaps": {}}

    def answer(request: BaseHTTPRequestHandler, sent: bytes) -> tuple[int, dict]:
        kind, _, name = request.path.partition("?")[0].removeprefix("/api/v1/namespaces/here/").partition("/")
        if request.command == "POST":
            made = json.loads(sent)
            name = made["metadata"]["name"]
            return 409 if name in held[kind] else 201, held[kind].setdefault(name, made)
        if request.command == "DELETE":
            del held[kind][name]
            return 200, {"kind": "Status", "status": "Success"}
        found = held[kind].get(name, {}) if name else {"items": list(held[kind].values())}
        return 200 if found else 404, found

    with serving(answer) as url:
        use_kubeconfig(url, tmp_path, monkeypatch)
        yield held


def _hold(objects: Objects, *revisions: dict) -> None:
    objects["secrets"] |= {each["metadata"]["name"]: each for each in revisions}


def test_every_revision_is_moved_in_helms_form(objects: Objects) -> None:
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
    with pytest.raises(ReleaseError, match=f"The ConfigMap {name} .* have different revisions"):
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
