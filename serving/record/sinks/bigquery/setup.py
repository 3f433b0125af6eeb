"""Creates, migrates and checks the table and its views, for `customer-risk audit init` and each start."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Final

from google.api_core.exceptions import NotFound
from google.auth.exceptions import RefreshError
from google.cloud.bigquery import Client, Dataset, SchemaField, Table, TimePartitioning

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud.credentials import ONCE
from customer_risk.serving.contract.columns import Column
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.bigquery.schema import (
    CLUSTERED_BY,
    COLUMNS,
    LABEL,
    PARTITIONED_BY,
    VERSION,
    merge,
    version_of,
)
from customer_risk.serving.record.sinks.bigquery.views import views
from customer_risk.serving.record.sinks.settings import BigQuerySettings

_DAY_MS: Final = 86_400_000
_LABELS: Final = {LABEL: str(VERSION), "made_by": "customer-risk"}


def init(settings: BigQuerySettings) -> list[str]:
    """Create what is missing, add missing columns, and replace the views; return what was done.

    Raises ConfigError, without a change, for a newer table and for one that can't be migrated by adding columns;
    SinkUnavailable if BigQuery can't be reached.
    """
    settings.validate()
    connections = Connections(settings)
    try:
        client = connections.rest
        with _translating(connections):
            done = _make_dataset(client, settings)
            table = _get(client, settings)
            if table is None:
                client.create_table(_table(settings), **ONCE)
                done.append(f"table {settings.path} made")
            else:
                done += _migrate(client, settings, table)
            for name, query in views(settings.path).items():
                connections.query(f"CREATE OR REPLACE VIEW `{name}` AS\n{query}")
                done.append(f"view {name} made")
    finally:
        connections.close()
    return done


def check_table(settings: BigQuerySettings, connections: Connections) -> None:
    """Raise ConfigError if the table is missing or lacks columns; further columns are allowed."""
    client = connections.rest
    with _translating(connections):
        table = _get(client, settings)
    if table is None:
        raise ConfigError(
            f"record.ship.sinks: bigquery: the table {settings.path} is missing.",
            remedy="Create it with `customer-risk audit init`.",
        )
    version_of(table.labels, settings.path)
    found = _columns(table.schema)
    if merge(found, settings.path) != found:
        raise ConfigError(
            f"record.ship.sinks: bigquery: {settings.path} was made for an older release.",
            remedy="Migrate it with `customer-risk audit init`.",
        )


def _make_dataset(client: Client, settings: BigQuerySettings) -> list[str]:
    name = f"{settings.project}.{settings.dataset}"
    try:
        client.get_dataset(name, **ONCE)
    except NotFound:
        dataset = Dataset(name)
        dataset.location = settings.location
        client.create_dataset(dataset, **ONCE)
        return [f"dataset {name} made in {settings.location}"]
    return []


def _get(client: Client, settings: BigQuerySettings) -> Table | None:
    try:
        return client.get_table(settings.path, **ONCE)
    except NotFound:
        return None


def _table(settings: BigQuerySettings) -> Table:
    table = Table(settings.path, schema=fields(COLUMNS))
    table.description = "Decisions and refused requests of the customer-risk service, one a row"
    table.time_partitioning = TimePartitioning(
        type_="DAY", field=PARTITIONED_BY, expiration_ms=settings.keep_days * _DAY_MS
    )
    table.clustering_fields = list(CLUSTERED_BY)
    table.labels = _LABELS
    return table


def _migrate(client: Client, settings: BigQuerySettings, table: Table) -> list[str]:
    """Migrate a table, in one request."""
    version = version_of(table.labels, settings.path)
    if version > VERSION:
        raise ConfigError(
            f"record.ship.sinks: bigquery: {settings.path} was made for version {version} of the record, and this "
            f"release writes {VERSION}.",
            remedy="Run `customer-risk audit init` of the newest release that writes to it.",
        )
    partitioning = table.time_partitioning
    if partitioning is None or (partitioning.type_, partitioning.field) != ("DAY", PARTITIONED_BY):
        raise ConfigError(
            f"record.ship.sinks: bigquery: {settings.path} isn't partitioned by the day of {PARTITIONED_BY}, "
            "which can't be changed.",
            remedy="Name another table; `customer-risk audit init` makes it. This one isn't changed.",
        )
    found = _columns(table.schema)
    merged = merge(found, settings.path)
    done, changed = [], []
    if merged != found:
        table.schema = fields(merged)
        changed.append("schema")
        done.append(f"table {settings.path} migrated from version {version} to {VERSION}")
    if table.labels != {**table.labels, **_LABELS}:
        table.labels = {**table.labels, **_LABELS}
        changed.append("labels")
    if partitioning.expiration_ms != settings.keep_days * _DAY_MS:
        partitioning.expiration_ms = settings.keep_days * _DAY_MS
        table.time_partitioning = partitioning
        changed.append("time_partitioning")
        done.append(f"partitions of {settings.path} are kept for {settings.keep_days} days")
    if changed:
        client.update_table(table, changed, **ONCE)
    return done


def _columns(schema: Iterable[SchemaField]) -> tuple[Column, ...]:
    return tuple(
        Column(each.name, each.field_type, each.mode, each.description or "", _columns(each.fields)) for each in schema
    )


def fields(columns: Iterable[Column]) -> list[SchemaField]:
    """Return columns in the form of BigQuery's client."""
    return [
        SchemaField(each.name, each.type, each.mode, description=each.description, fields=fields(each.fields))
        for each in columns
    ]


def _translating(connections: Connections) -> AbstractContextManager[None]:
    """Raise ConfigError for permanent errors."""
    return connections.translating(
        "used",
        "Name a project that exists, and grant this identity roles/bigquery.dataEditor on the dataset and "
        "roles/bigquery.jobUser on the project.",
        RefreshError,
    )
