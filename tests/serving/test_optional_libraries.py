"""The start doesn't import libraries that only some settings need."""

from __future__ import annotations

import subprocess
import sys

LIBRARIES = ("google.auth", "google.cloud", "grpc", "duckdb", "redis", "jwt", "httpx2", "prometheus_client")
SETTINGS = """
from pathlib import Path
from customer_risk.model.registry.factory import open_store as open_registry
from customer_risk.serving.auth.factory import create_authenticator
from customer_risk.serving.bulk.tables.inputs import settings as inputs
from customer_risk.serving.bulk.tables.outputs import settings as outputs
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.settings import BigQuerySettings, FolderSettings, GcsSettings
from customer_risk.serving.settings import Settings
from customer_risk.serving.store.factory import open_store
from customer_risk.serving.telemetry.logs import configure

folder = Path(sys.argv[1])
settings = Settings()
open_store(settings.store, folder).close()
configure(settings.logs)
create_authenticator(settings.auth)
open_registry(folder)
open_objects(FolderSettings(path=str(folder)))
BigQuerySettings(project="p", dataset="d").validate()
GcsSettings(bucket="b")
inputs.BigQueryInput(project="p", dataset="d", table="t"), inputs.GcsInput(bucket="b")
outputs.BigQueryOutput(project="p", dataset="d"), outputs.GcsOutput(bucket="b")
"""


def test_settings_and_defaults_import_no_optional_library(tmp_path) -> None:
    """Without the optional libraries, settings of every kind can be read, and the defaults work."""
    code = f"import sys; sys.modules.update(dict.fromkeys({LIBRARIES!r}))\n{SETTINGS}"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
