"""Runs commands of the command line in tests."""

from __future__ import annotations

from click.testing import CliRunner

from customer_risk.model.errors import CustomerRiskError


def run(command, *words, **variables):
    """Run a command and return its output; the project's errors are raised unchanged."""
    result = CliRunner().invoke(command, [str(word) for word in words], env=variables)
    if isinstance(result.exception, CustomerRiskError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout
