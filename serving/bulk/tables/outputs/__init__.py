"""Where a run's results go, each once: a table in BigQuery, or Parquet in a bucket or a folder."""
