"""What `customer-risk explain` does: print the dossier of one customer, and with --out write it as a page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from customer_risk.model.atomic import write_file
from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding.explaining import explain as explain_customer
from customer_risk.model.offboarding.pages import explanation_page
from customer_risk.model.tables.mapping import CohortName
from customer_risk.model.terminal import echo, echo_lines


def explain(
    *,
    bundle: Path,
    tables: Path,
    customer: str,
    cohort: CohortName,
    out: Path | None,
    config: Path | None,
    mapping: Path | None,
    force: bool,
) -> None:
    """Explain one customer's score on standard output; with `out`, also write the explanation as an HTML page.

    Raises ConfigError if `out` exists and `force` isn't given, or if its folder doesn't exist.
    """
    if out is not None:
        _check_place(out, force=force)
    console = Console(stderr=True)
    with console.status("starting") as status:
        made = explain_customer(
            bundle, tables, customer, cohort=cohort, config=config, mapping=mapping, step=status.update
        )
    echo_lines(str(made))
    if out is not None:
        made_at = datetime.now(UTC).replace(microsecond=0)
        page = explanation_page(made.scored, made.dossier, cohort=cohort, made_at=made_at)
        write_file(out, page.encode(), mode=0o600)  # it has personal data
        echo(f"Page written to {out}")


def _check_place(out: Path, *, force: bool) -> None:
    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is not a folder.", remedy="Create it, or name another file with --out.")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder.", remedy="Name a file with --out.")
    if out.exists() and not force:
        raise ConfigError(f"{out} exists already.", remedy="Name another file with --out, or replace it with --force.")
