"""Which day a run is of: the one that it was scheduled for, also when it is tried again after midnight."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

JOB: Final = "CUSTOMER_RISK_JOB"
_SCHEDULED: Final = re.compile(r"-(\d{8})$")  # a CronJob's jobs end in the minutes since 1970 that they are due at


def day_of(given: dt.date | None, job_name: str, now: dt.datetime) -> dt.date:
    """Return the day: as `given`, or of the CronJob's job of that name, or of `now`, which is in UTC."""
    if given is not None:
        return given
    found = _SCHEDULED.search(job_name)
    return (dt.datetime.fromtimestamp(int(found[1]) * 60, dt.UTC) if found else now).date()
