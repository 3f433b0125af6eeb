"""Inputs of a run: a table in BigQuery, or Parquet in a bucket or a folder."""
