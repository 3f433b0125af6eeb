"""Every kind of sink, by its settings."""

from __future__ import annotations

from serving.record.sinks.folder import FolderSettings

SinkSettings = FolderSettings
