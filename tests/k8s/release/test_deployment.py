"""In which order a release is installed, upgraded and taken back, and which revision a rollback goes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s.release.deployment import Deployment, earlier
from k8s.release.errors import GateClosed, HelmFailed, ReleaseError
from k8s.release.helm import ROUTE_OFF, Revision
from tests.k8s.release.test_gate import GOOD, Shown


class Written:
    """A Helm that writes down what it is told; its test fails as often as `failures` says."""

    def __init__(self, *history: Revision, failures: int = 0) -> None:
        self._history = list(history)
        self._failures = failures
        self.told: list[str] = []

    def history(self) -> list[Revision]:
        """Give the history."""
        return self._history

    def values(self) -> dict:
        """Give the values that the gate asks for."""
        return {"test": {"enabled": True}}

    def upgrade(self, _: Path, arguments: tuple[str, ...], *, description: str = "") -> None:
        """Write down an upgrade."""
        self.told.append(" ".join(("upgrade", *arguments, *((f"({description})",) if description else ()))))

    def rollback(self, revision: int) -> None:
        """Write down a rollback."""
        self.told.append(f"rollback {revision}")

    def test(self) -> str:
        """Write down a test, and fail it."""
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
    """Installed without it, tested, and only then reachable."""
    helm = Written()
    _deployment(helm).deploy(Path(), ())
    assert helm.told == [FIRST, "test", "upgrade"]


def test_a_first_install_that_failed_begins_anew() -> None:
    """What never had its route isn't an upgrade: it still must not meet traffic before the gate."""
    helm = Written(Revision(1, "deployed", ROUTE_OFF), failures=1)
    with pytest.raises(GateClosed):
        _deployment(helm).deploy(Path(), ())
    assert helm.told == [FIRST, "test"]


def test_an_upgrade_is_tested() -> None:
    """A release that takes traffic keeps its route."""
    helm = Written(Revision(1, "superseded", ROUTE_OFF), Revision(2, "deployed"))
    _deployment(helm).deploy(Path(), ("--set", "a=b"))
    assert helm.told == ["upgrade --set a=b", "test"]


def test_an_upgrade_that_fails_goes_back() -> None:
    """To what was in force, and the error is the upgrade's."""
    helm = Written(Revision(2, "superseded"), Revision(3, "deployed"), failures=1)
    with pytest.raises(GateClosed, match="golden requests"):
        _deployment(helm).deploy(Path(), ())
    assert helm.told == ["upgrade", "test", "rollback 3"]


def test_going_back_that_fails_does_not_hide_why() -> None:
    """Both are told; the error stays the first."""

    class Stuck(Written):
        def rollback(self, revision: int) -> None:
            raise HelmFailed(f"no way back to {revision}")

    said: list[str] = []
    with pytest.raises(GateClosed, match="golden requests"):
        _deployment(Stuck(Revision(3, "deployed"), failures=1), said).deploy(Path(), ())
    assert said[-1] == "risk: going back failed too: no way back to 3"


def test_a_rollback_is_tested() -> None:
    """It goes to the revision before, or the one named, and ends with the gate."""
    helm = Written(Revision(2, "superseded"), Revision(3, "deployed"))
    _deployment(helm).rollback()
    _deployment(helm).rollback(7)
    assert helm.told == ["rollback 2", "test", "rollback 7", "test"]


def test_a_rollback_to_nowhere_is_refused() -> None:
    """A release that took traffic once only has no earlier revision."""
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
    """A release whose test is switched off can't be said to answer."""

    class Untested(Written):
        def values(self) -> dict:
            return {"test": {"enabled": False}}

    with pytest.raises(GateClosed, match=r"set test\.enabled"):
        _deployment(Untested()).gate()


def test_back_to_the_one_before() -> None:
    """The last that was in force before the present."""
    history = [Revision(2, "superseded"), Revision(3, "superseded"), Revision(4, "deployed")]
    assert earlier(history) == 3


def test_never_back_to_an_install_without_its_route() -> None:
    """The first revision of a release takes no traffic: going back to it would be an outage."""
    assert earlier([Revision(1, "superseded", ROUTE_OFF), Revision(2, "deployed")]) is None


def test_never_back_to_one_that_failed() -> None:
    """A revision that never came to be is passed over."""
    history = [Revision(2, "superseded"), Revision(3, "failed"), Revision(4, "deployed")]
    assert earlier(history) == 2


def test_never_back_to_one_that_was_rolled_back_from() -> None:
    """Helm calls it superseded too; going back to it would bring the fault again."""
    history = [
        Revision(2, "superseded", "Upgrade complete"),
        Revision(3, "superseded", "Upgrade complete"),
        Revision(4, "superseded", "Upgrade complete"),
        Revision(5, "deployed", "Rollback to 3"),
    ]
    assert earlier(history) == 2


def test_after_a_rollback_and_an_upgrade_back_to_what_was_rolled_back_to() -> None:
    """The rollback's own revision was in force, and what it left was not."""
    history = [
        Revision(2, "superseded", "Upgrade complete"),
        Revision(3, "superseded", "Upgrade complete"),
        Revision(4, "superseded", "Rollback to 2"),
        Revision(5, "deployed", "Upgrade complete"),
    ]
    assert earlier(history) == 4


def test_a_release_that_is_not_there_has_nothing_earlier() -> None:
    """No history, no way back."""
    assert earlier([]) is None
