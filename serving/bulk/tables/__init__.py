"""Batch scoring: every customer of a table, or of Parquet files, once a run."""
