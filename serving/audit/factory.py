"""The audit's access to the record in BigQuery; loads Google's libraries at the first use."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from customer_risk.serving.record.sinks.settings import BigQuerySettings

if TYPE_CHECKING:
    from customer_risk.serving.audit.table import Checked, Table


def create_table(settings: BigQuerySettings) -> list[str]:
    """Create or migrate the table and its views; return what was done. Raises as `setup.init` does."""
    from customer_risk.serving.record.sinks.bigquery.setup import init

    return init(settings)


def erase_rows(settings: BigQuerySettings, customer_id: str, *, by: str, why: str, now: dt.datetime) -> int:
    """Blank a customer's rows and return their number; raises as `rows.erase_rows` does."""
    from customer_risk.serving.audit import rows

    return rows.erase_rows(settings, customer_id, by=by, why=why, now=now)


def open_table(settings: BigQuerySettings) -> Table:
    """Return a reader of the record's table, without a request; raises ConfigError for invalid names."""
    from customer_risk.serving.audit.table import Table

    return Table(settings)


def check_table(settings: BigQuerySettings) -> Checked:
    """Return the result of `table.check`; raises as it does."""
    from customer_risk.serving.audit import table

    return table.check(settings)
