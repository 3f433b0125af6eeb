"""Data, leak guard and reproducibility: everything counted is listed."""

from __future__ import annotations

import msgspec

from customer_risk.model.report.sections import data, leaks, reproducibility


def test_every_trap_is_listed_with_its_count(results, words_of):
    """Each oddity stands with its sentence and count, one that wasn't met with 0."""
    text = words_of(data.section(results))
    for trap in results.data.traps:
        assert f"{trap.sentence} {trap.key} | {trap.count}" in text


def test_every_joining_month_is_listed(results, words_of):
    """Each month stands with its customers and suspended ones."""
    text = words_of(data.section(results))
    for row in results.data.months:
        assert f"{row.period} | {row.customers} | {row.suspended} | " in text


def test_every_check_of_the_leak_guard_is_listed(results, words_of):
    """Each check stands with what it examined and found, and what is allowed with the reason."""
    text = words_of(leaks.section(results))
    for found in results.leaks:
        assert f"({found.check}) {found.title} | {found.examined} | {found.result}" in text
    assert "kyc_pending: set before any suspension" in text


def test_what_repeats_the_run_is_listed(results, words_of):
    """Bundle, commit, tables, catalogue, seed, threads, processor and every library stand there whole."""
    text, run = words_of(reproducibility.section(results)), results.provenance
    for value in (run.bundle_version, run.git_commit, run.data_hash, run.catalogue_hash, run.cpu_family):
        assert value in text
    for name, version in run.libraries.items():
        assert f"{name} library | {version}" in text


def test_the_rates_of_a_conversion_are_listed(results, words_of):
    """The report shows the hash of the file of exchange rates if amounts were converted by one."""
    assert "Exchange rates" not in words_of(reproducibility.section(results))
    provenance = msgspec.structs.replace(results.provenance, rates_sha256="c" * 64)
    text = words_of(reproducibility.section(msgspec.structs.replace(results, provenance=provenance)))
    assert f"Exchange rates SHA-256 of the file that the mapping names | {'c' * 64}" in text


def test_times_are_summed(results, words_of):
    """Every stage has its seconds, and the last row their sum."""
    text = words_of(reproducibility.section(results))
    assert "tuning | 12.3" in text
    assert "Total | 113.3" in text
