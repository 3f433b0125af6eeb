"""What the audit commands print."""

from __future__ import annotations

from customer_risk.serving.audit.comparison import Difference
from customer_risk.serving.audit.display import print_replays
from customer_risk.serving.audit.replay import Replayed


def test_a_long_list_of_differences_is_cut(capsys) -> None:
    """Fifty are shown, the others counted; so are all records."""
    differing = [
        Replayed(f"id-{i}", "differs", "bit for bit", (Difference("segment", "low", "high"),)) for i in range(70)
    ]
    assert print_replays(differing) == {"differs": 70}
    printed = capsys.readouterr().out
    assert printed.count("id-") == 50
    assert "and 20 more" in printed


def test_a_long_value_is_cut(capsys) -> None:
    """A table stays a table."""
    print_replays([Replayed("id", "differs", "bit for bit", (Difference("text", "a" * 100, 0.1 + 0.2),))])
    printed = capsys.readouterr().out
    assert "a" * 57 + "..." in printed
    assert "0.30000000000000004" in printed


def test_outcomes_are_counted_by_standard(capsys) -> None:
    """Which standard applied is said of each."""
    replays = [Replayed("a", "same", "bit for bit"), Replayed("b", "same", "within 1e-9"), Replayed("c", "erased")]
    assert print_replays(replays) == {"same": 2, "erased": 1}
    printed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in printed[1:]] == [
        ["erased", "1"],
        ["same", "bit", "for", "bit", "1"],
        ["same", "within", "1e-9", "1"],
    ]
