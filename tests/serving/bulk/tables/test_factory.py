"""Settings choose inputs and outputs, and their mistakes are named."""

from __future__ import annotations

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.bulk.tables.inputs.factory import open_source
from customer_risk.serving.bulk.tables.inputs.settings import BigQueryInput, GcsInput
from customer_risk.serving.bulk.tables.outputs.factory import open_output
from customer_risk.serving.bulk.tables.outputs.settings import BigQueryOutput, FolderOutput, GcsOutput


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (GcsInput(bucket=""), "input: gcs: `bucket` is empty"),
        (BigQueryInput(project="p", dataset="d", table="a`b"), "input: bigquery: table 'a`b' is not a valid table"),
    ],
)
def test_an_input_that_cannot_be_used_is_named(settings, said) -> None:
    """The message begins with the setting of the input; no request is sent."""
    with pytest.raises(ConfigError, match=f"^{said}"):
        open_source(settings, "batch-2026-11-21", ())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (FolderOutput(path=""), "output: the folder's `path` is empty"),
        (GcsOutput(bucket=""), "output: gcs: `bucket` is empty"),
        (BigQueryOutput(project="p", dataset="d.e"), "output: bigquery: dataset 'd.e' is not a valid dataset"),
    ],
)
def test_an_output_that_cannot_be_used_is_named(settings, said) -> None:
    """The message begins with the setting of the output; no request is sent."""
    with pytest.raises(ConfigError, match=f"^{said}"):
        open_output(settings, "batch-2026-11-21", "2026-11-21")


def test_a_check_that_fails_names_the_output(tmp_path) -> None:
    """A failed check names the setting of the output."""
    (tmp_path / "file").write_bytes(b"")
    output = open_output(FolderOutput(path=str(tmp_path / "file")), "batch-2026-11-21", "2026-11-21")
    with pytest.raises(ConfigError, match=r"^output: the folder"):
        output.check()


ENDS = {
    "input": lambda: open_source(GcsInput(bucket="b"), "batch-2026-11-21", ()).identity(),
    "output": lambda: open_output(GcsOutput(bucket="b"), "batch-2026-11-21", "2026-11-21").check(),
}


@pytest.mark.parametrize("end", ENDS)
def test_missing_credentials_name_the_end_that_needs_them(end, tmp_path, monkeypatch) -> None:
    """The message about missing credentials names the input or the output."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(ConfigError, match=f"^{end}: gcs: there are no credentials"):
        ENDS[end]()
