"""Batch scoring: scores every customer of a table or of Parquet files once in each run."""
