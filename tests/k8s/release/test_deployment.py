"""Which revision a rollback goes to."""

from __future__ import annotations

from k8s.release.deployment import earlier
from k8s.release.helm import ROUTE_OFF, Revision


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
