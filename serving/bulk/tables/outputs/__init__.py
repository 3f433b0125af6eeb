"""Outputs, which store a run's results once: a table in BigQuery, or Parquet in a bucket or a folder."""
