"""The day of a run: the scheduled one, also if it is tried again after midnight."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

JOB: Final = "CUSTOMER_RISK_JOB"
_SCHEDULED: Final = re.compile(r"-(\d{8})$")  # names of a CronJob's jobs end in their due time, in minutes since 1970


def day_of(given: dt.date | None, job_name: str, now: dt.datetime) -> dt.date:
    """Return the day: `given`, or from the name of the CronJob's job, or that of `now`, in UTC."""
    if given is not None:
        return given
    found = _SCHEDULED.search(job_name)
    return (dt.datetime.fromtimestamp(int(found[1]) * 60, dt.UTC) if found else now).date()
