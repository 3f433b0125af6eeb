"""Times as texts, each with the microseconds that every entrance must read, or None if it must refuse the text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

SECOND = 1_724_668_430_000_000  # 2024-08-26T10:33:50Z
_AT = "2024-08-26T10:33:50"
_HOUR = 3_600_000_000

TIMES: dict[str, int | None] = {
    f"{_AT}Z": SECOND,
    f"{_AT}z": SECOND,
    "2024-08-26t10:33:50z": SECOND,
    "2024-08-26 10:33:50 UTC": SECOND,
    "2024-08-26 10:33:50.629801 UTC": SECOND + 629_801,
    f"{_AT} UTC": SECOND,
    f"{_AT} utc": None,
    f"{_AT} Utc": None,
    f"{_AT} GMT": None,
    "2024-08-26_10:33:50Z": None,
    # digits of the second: cut after the sixth
    f"{_AT}.6Z": SECOND + 600_000,
    f"{_AT}.123456Z": SECOND + 123_456,
    f"{_AT}.1234567Z": SECOND + 123_456,
    f"{_AT}.12345650Z": SECOND + 123_456,
    f"{_AT}.123456999Z": SECOND + 123_456,
    f"{_AT}.999999999Z": SECOND + 999_999,
    f"{_AT}.999999999 UTC": SECOND + 999_999,
    f"{_AT}.0000009+02:00": SECOND - 2 * _HOUR,
    "1969-12-31T23:59:59.999999999Z": -1,
    "1969-12-31T23:59:59.0000001Z": -1_000_000,
    f"{_AT}.Z": None,
    f"{_AT}.": None,
    f"{_AT},5Z": None,
    f"{_AT}.12 3Z": None,
    f"{_AT}.1_0Z": None,
    # offsets
    f"{_AT}+00:00": SECOND,
    f"{_AT}-00:00": SECOND,
    f"{_AT}+0000": SECOND,
    f"{_AT}+01:00": SECOND - _HOUR,
    f"{_AT}+0100": SECOND - _HOUR,
    f"{_AT}-11:30": SECOND + 11 * _HOUR + _HOUR // 2,
    f"{_AT}+23:59": SECOND - 24 * _HOUR + 60_000_000,
    f"{_AT}+24:00": None,
    f"{_AT}+01:60": None,
    f"{_AT}+1:00": None,
    f"{_AT}+01:0": None,
    f"{_AT}+010": None,
    f"{_AT}+01:00:00": None,
    f"{_AT}\u221201:00": None,
    f"{_AT}+01:00Z": None,
    f"{_AT}ZZ": None,
    f"{_AT}+": None,
    f"{_AT}[UTC]": None,
    # lengths
    f"{_AT}.{'6' * 42}Z": SECOND + 666_666,
    f"{_AT}.{'6' * 43}Z": SECOND + 666_666,
    f"{_AT}.{'6' * 44}Z": None,
    f"{_AT}.{'6' * 79}Z": None,
    f"{_AT}.{'6' * 40} UTC": SECOND + 666_666,
    f"{_AT}.{'6' * 41} UTC": None,
    f"{_AT}.{'6' * 100_000}Z": None,
    "x" * 100: None,
    # the calendar
    "0001-01-01T00:00:00Z": -62_135_596_800_000_000,
    "0001-01-01T00:00:00+01:00": None,
    "0000-12-31T23:59:59-01:00": None,
    "0000-01-01T00:00:00Z": None,
    "9999-12-31T23:59:59.9999999Z": 253_402_300_799_999_999,
    "9999-12-31T23:59:59-00:01": None,
    "10000-01-01T00:00:00Z": None,
    "+2024-08-26T10:33:50Z": None,
    "2024-02-29T00:00:00Z": 1_709_164_800_000_000,
    "2023-02-29T00:00:00Z": None,
    "2000-02-29T00:00:00Z": 951_782_400_000_000,
    "1900-02-29T00:00:00Z": None,
    "2024-04-31T00:00:00Z": None,
    "2024-13-01T00:00:00Z": None,
    "2024-00-01T00:00:00Z": None,
    "2024-01-00T00:00:00Z": None,
    "2024-08-26T24:00:00Z": None,
    "2024-08-26T10:60:00Z": None,
    "2024-12-31T23:59:60Z": None,
    "2024-12-31 23:59:60 UTC": None,
    # other characters
    "\u0662\u0660\u0662\u0664-08-26T10:33:50Z": None,
    "2024-08-26T10:33:5\u0660Z": None,
    f"{_AT}.\uff11Z": None,
    f" {_AT}Z": None,
    f"{_AT}Z ": None,
    f"\t{_AT}Z": None,
    f"{_AT}Z\u00a0": None,
    f"{_AT}Z\n{_AT}Z": None,
    f"{_AT}\x00Z": None,
    # other forms
    "2024-08-26T10:33Z": None,
    "2024-08-26T10Z": None,
    "2024-08-26": None,
    "20240826T103350Z": None,
    "2024-8-26T10:33:50Z": None,
    "26.08.2024 10:33:50 UTC": None,
    "2024-W35-1T10:33:50Z": None,
    "1724668430000000": None,
    "yesterday, or the day before": None,
    "-": None,
}
# Refused in requests and in files of requests; tables hold them.
ONLY_IN_TABLES: dict[str, int] = {
    _AT: SECOND,
    "2024-08-26 10:33:50.629801999": SECOND + 629_801,
    f"{_AT}+01": SECOND - _HOUR,
    f"{_AT}+00": SECOND,
    f"{_AT} +0100": SECOND - _HOUR,
    f"{_AT} Z": SECOND,
    f"{_AT}UTC": SECOND,
}
REFUSED_IN_TABLES = (f"{_AT}  UTC", f"{_AT}  +01:00", f"{_AT} ", f"{_AT}+1", f"{_AT} utc")

_FORM = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?:[Zz]|(?P<utc> UTC)|([+-])(\d{2}):?(\d{2}))", re.ASCII
)


def microseconds(text: str) -> int | None:
    """Return what Python's own datetime makes of a time, whose decimals are cut; None if it isn't one."""
    found = _FORM.fullmatch(text)
    if found is None or len(text) > 64:
        return None
    day, second, decimals, _, sign, hours, minutes = found.groups()
    east = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    if int(minutes or 0) > 59:
        return None
    try:
        zoned = datetime.fromisoformat(f"{day}T{second}").replace(tzinfo=timezone(east))
        moment = zoned.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return whole + int((decimals or "").ljust(6, "0")[:6])
