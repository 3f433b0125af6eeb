"""The order of the steps of a deployment, and the revision to which a rollback goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s.release.deployment import Deployment, earlier
from k8s.release.errors import GateClosed, HelmFailed, ReleaseError
from k8s.release.helm import ROUTE_OFF, Revision
from tests.k8s.release.test_gate import GOOD, Shown


class Written:
    """A Helm that logs its calls; its test fails `failures` times."""

    def __init__(self, *history: Revision, failures: int = 0) -> None:
        self._history = list(history)
        self._failures = failures
        self.told: list[str] = []

    def history(self) -> list[Revision]:
        """Return the history."""
        return self._history

    def values(self) -> dict:
        """Return the values that the gate needs."""
        return {"test": {"enabled": True}}

    def upgrade(self, _: Path, arguments: tuple[str, ...], *, description: str = "") -> None:
        """Log an upgrade."""
        self.told.append(" ".join(("upgrade", *arguments, *((f"({description})",) if description else ()))))

    def rollback(self, revision: int) -> None:
        """Log a rollback."""
        self.told.append(f"rollback {revision}")

    def test(self) -> str:
        """Log a test, and fail if failures are left."""
        self.told.append("test")
        if self._failures:
            self._failures -= 1
            raise HelmFailed("the test pod failed")
        return ""


def _deployment(helm: Written, said: list[str] | None = None) -> Deployment:
    say = (lambda _: None) if said is None else said.append
    return Deployment(helm, Shown(GOOD), fullname="risk", seconds=5, say=say)


FIRST = f"upgrade --set route.enabled=false ({ROUTE_OFF})"


def test_a_first_install_gets_its_route_after_the_gate() -> None:
    """A first install has its route only after a successful test."""
    helm = Written()
    _deployment(helm).deploy(Path(), ())
    assert helm.told == [FIRST, "test", "upgrade"]


def test_a_failed_first_install_is_repeated_without_its_route() -> None:
    """A release that never had its route is installed like a first one, without traffic before the gate."""
    helm = Written(Revision(1, "deployed", ROUTE_OFF), failures=1)
    with pytest.raises(GateClosed):
        _deployment(helm).deploy(Path(), ())
    assert helm.told == [FIRST, "test"]


def test_an_upgrade_is_tested() -> None:
    """An upgrade keeps the route of a release that takes traffic."""
    helm = Written(Revision(1, "superseded", ROUTE_OFF), Revision(2, "deployed"))
    _deployment(helm).deploy(Path(), ("--set", "a=b"))
    assert helm.told == ["upgrade --set a=b", "test"]


def test_a_failed_upgrade_is_rolled_back() -> None:
    """A failed upgrade is rolled back, and its error is raised."""
    helm = Written(Revision(2, "superseded"), Revision(3, "deployed"), failures=1)
    with pytest.raises(GateClosed, match="golden requests"):
        _deployment(helm).deploy(Path(), ())
    assert helm.told == ["upgrade", "test", "rollback 3"]


def test_a_failed_rollback_does_not_hide_the_first_error() -> None:
    """If the rollback fails too, both errors are printed and the upgrade's error is raised."""

    class Stuck(Written):
        def rollback(self, revision: int) -> None:
            raise HelmFailed(f"no way back to {revision}")

    said: list[str] = []
    with pytest.raises(GateClosed, match="golden requests"):
        _deployment(Stuck(Revision(3, "deployed"), failures=1), said).deploy(Path(), ())
    assert said[-1] == "risk: the rollback failed too: no way back to 3"


def test_a_rollback_is_tested() -> None:
    """A rollback goes to the previous or the given revision, and then waits for the gate."""
    helm = Written(Revision(2, "superseded"), Revision(3, "deployed"))
    _deployment(helm).rollback()
    _deployment(helm).rollback(7)
    assert helm.told == ["rollback 2", "test", "rollback 7", "test"]


def test_a_rollback_without_an_earlier_revision_is_refused() -> None:
    """A release with a single revision that took traffic has no earlier revision."""
    with pytest.raises(ReleaseError, match="no earlier revision"):
        _deployment(Written(Revision(1, "superseded", ROUTE_OFF), Revision(2, "deployed"))).rollback()


@pytest.mark.parametrize("act", ["deploy", "rollback", "gate"])
def test_a_release_whose_history_is_not_in_config_maps_is_not_changed(act: str) -> None:
    """Each command ends with an error that names the command `move`, and changes nothing."""

    class Kept(Shown):
        @staticmethod
        def has(_: str) -> bool:
            return True

    helm = Written()
    deployment = Deployment(helm, Kept(GOOD), fullname="risk", seconds=5, say=lambda _: None)
    with pytest.raises(ReleaseError, match=r"kept it in Secrets.* python -m k8s\.release move"):
        getattr(deployment, act)(*((Path(), ()) if act == "deploy" else ()))
    assert helm.told == []


def test_without_a_test_the_gate_stays_closed() -> None:
    """The gate fails for a release whose test is switched off."""

    class Untested(Written):
        def values(self) -> dict:
            return {"test": {"enabled": False}}

    with pytest.raises(GateClosed, match=r"set test\.enabled"):
        _deployment(Untested()).gate()


def test_rollback_goes_to_the_previous_revision() -> None:
    """The rollback goes to the last revision in force before the present one."""
    history = [Revision(2, "superseded"), Revision(3, "superseded"), Revision(4, "deployed")]
    assert earlier(history) == 3


def test_rollback_never_goes_to_an_install_without_its_route() -> None:
    """The first revision is left out, because it has no route: a rollback to it would be an outage."""
    assert earlier([Revision(1, "superseded", ROUTE_OFF), Revision(2, "deployed")]) is None


def test_rollback_never_goes_to_a_failed_revision() -> None:
    """A revision that failed is left out."""
    history = [Revision(2, "superseded"), Revision(3, "failed"), Revision(4, "deployed")]
    assert earlier(history) == 2


def test_rollback_never_goes_to_a_revision_that_was_rolled_back() -> None:
    """A revision from which the release was rolled back is left out, although Helm calls it superseded."""
    history = [
        Revision(2, "superseded", "Upgrade complete"),
        Revision(3, "superseded", "Upgrade complete"),
        Revision(4, "superseded", "Upgrade complete"),
        Revision(5, "deployed", "Rollback to 3"),
    ]
    assert earlier(history) == 2


def test_rollback_after_a_rollback_and_an_upgrade() -> None:
    """After a rollback and an upgrade, a rollback goes to the revision of the first rollback."""
    history = [
        Revision(2, "superseded", "Upgrade complete"),
        Revision(3, "superseded", "Upgrade complete"),
        Revision(4, "superseded", "Rollback to 2"),
        Revision(5, "deployed", "Upgrade complete"),
    ]
    assert earlier(history) == 4


def test_a_missing_release_has_no_earlier_revision() -> None:
    """A release without a history has no earlier revision."""
    assert earlier([]) is None
