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
