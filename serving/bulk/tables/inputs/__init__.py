"""Where a run's customers come from: a table in BigQuery, or Parquet in a bucket or a folder."""
