"""The sections on data, the leak guard and reproducibility."""

from __future__ import annotations

import msgspec

from customer_risk.model.report.sections import data, leaks, reproducibility


def test_every_irregularity_is_listed_with_its_count(results, words_of):
    """Each irregularity has its sentence and count, also a count of 0."""
    text = words_of(data.section(results))
    for trap in results.data.traps:
        assert f"{trap.sentence} {trap.key} | {trap.count}" in text


def test_every_joining_month_is_listed(results, words_of):
    """Each month has its customers and suspended customers."""
    text = words_of(data.section(results))
    for row in results.data.months:
        assert f"{row.period} | {row.customers} | {row.suspended} | " in text


def test_every_check_of_the_leak_guard_is_listed(results, words_of):
    """Each check has its count and result; allowed features have their reason."""
    text = words_of(leaks.section(results))
    for found in results.leaks:
        assert f"({found.check}) {found.title} | {found.examined} | {found.result}" in text
    assert "kyc_pending: set before any suspension" in text


def test_hashes_and_versions_of_the_run_are_listed(results, words_of):
    """The section has the complete hashes, the CPU family and the version of every library."""
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
    assert f"Exchange rates SHA-256 of the file of rates | {'c' * 64}" in text


def test_stage_times_are_summed(results, words_of):
    """Every stage has its seconds; the last row is their sum."""
    text = words_of(reproducibility.section(results))
    assert "tuning | 12.3" in text
    assert "Total | 113.3" in text
