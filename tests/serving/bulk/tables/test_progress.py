"""The progress of a run in the log."""

from __future__ import annotations

from customer_risk.serving.bulk.tables.progress import Progress


def test_progress_is_logged_at_growing_intervals(caplog) -> None:
    """Progress is logged after two seconds and then less often, with rows, share, rate and time left."""
    caplog.set_level("INFO", "serving.batch")
    now = [0.0]
    progress = Progress(lambda: now[0])
    for second in range(1, 7):
        now[0] = float(second)
        progress.done(100, second / 10)
    assert [record.getMessage() for record in caplog.records] == [
        "200 rows scored (20%), 100 a second, about 8 s left",
        "500 rows scored (50%), 100 a second, about 5 s left",
    ]


def test_stored_rows_do_not_affect_the_rate(caplog) -> None:
    """The time left depends only on the work of this process."""
    caplog.set_level("INFO", "serving.batch")
    now = [0.0]
    progress = Progress(lambda: now[0])
    progress.skip(0.8)
    now[0] = 10.0
    progress.done(100, 0.9)
    assert caplog.messages == ["100 rows scored (90%), 10 a second, about 10 s left"]
