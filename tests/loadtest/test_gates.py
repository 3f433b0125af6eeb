"""The file of gates."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from loadtest.gates import DEFAULT, Gates, GatesError, Verdict, all_held, load_gates, table
from loadtest.step import _refuse_unjudgeable, main


def test_the_default_gates_are_strict():
    """The default gates allow no failed request, wrong answer or lost record, and want p99 < 50 ms within 60 s."""
    gates = load_gates()
    assert (gates.failed_requests, gates.wrong_answers, gates.lost_records, gates.doubled_records) == (0, 0, 0, 0)
    assert (gates.p99_ms, gates.settled_within_seconds) == (50, 60)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("p99_ms: 50", "p99_ms: 50\np98_ms: 40", "unknown field `p98_ms`"),
        ("p99_ms: 50", "", "missing required field `p99_ms`"),
        ("p99_ms: 50", "p99_ms: fast", "`$.p99_ms`"),
        ("p99_ms: 50", "p99_ms: 0", "`$.p99_ms`"),
        ("arrivals_share: 0.99", "arrivals_share: 99", "`$.arrivals_share`"),
        ("failed_requests: 0", "failed_requests: -1", "`$.failed_requests`"),
        ("failed_requests: 0", "failed_requests: [", "did not find expected"),
    ],
)
def test_invalid_gates_are_refused(tmp_path, old, new, said):
    """An unknown gate, a missing gate or an impossible limit ends the command with 2 before the load."""
    file = tmp_path / "gates.yaml"
    file.write_text(DEFAULT.read_text().replace(old, new))
    with pytest.raises(GatesError, match=r"gates\.yaml can't be used") as refused:
        load_gates(file)
    assert said in str(refused.value)
    ran = CliRunner().invoke(main, ["--url", "http://127.0.0.1:9", "--out", str(tmp_path), "--gates", str(file)])
    assert ran.exit_code == 2
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("option", "said"), [("--before", "too short"), ("--after", "are shorter than settled_within_seconds")]
)
def test_a_run_too_short_to_be_judged_is_refused(tmp_path, option, said):
    """A run that is too short for its gates ends with 2 before the load."""
    ran = CliRunner().invoke(main, ["--url", "http://127.0.0.1:9", "--out", str(tmp_path), option, "5"])
    assert ran.exit_code == 2
    assert said in ran.stderr


def test_a_run_without_a_limit_on_speed_can_be_short(tmp_path):
    """Without `settled_within_seconds` no run after the step is too short to be judged."""
    file = tmp_path / "gates.yaml"
    file.write_text(DEFAULT.read_text().replace("settled_within_seconds: 60", "settled_within_seconds: null"))
    options = ["--url", "http://127.0.0.1:9", "--out", str(tmp_path), "--gates", str(file), "--after", "5"]
    ran = CliRunner().invoke(main, [*options, "--before", "5"])
    assert "too short" in ran.stderr
    _refuse_unjudgeable(load_gates(file), 10, 5)


def test_every_gate_has_a_comment():
    """Each gate in the file has a comment."""
    lines = [line for line in DEFAULT.read_text().splitlines() if not line.startswith("#")]
    assert [line.split(":")[0] for line in lines] == list(Gates.__struct_fields__)
    assert all(" # " in line for line in lines)


def test_a_missed_gate_fails_the_run():
    """If a gate was missed, all_held is false; a gate that wasn't judged doesn't count."""
    held, missed, open_ = (Verdict("a", "<= 1", "1", verdict) for verdict in (True, False, None))
    assert all_held([held, open_])
    assert not all_held([held, missed])
    assert table([missed, open_]).splitlines()[2:] == ["| a | <= 1 | 1 | MISSED |", "| a | <= 1 | 1 | not judged |"]
