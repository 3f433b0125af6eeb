"""The decision record in a table of BigQuery."""
