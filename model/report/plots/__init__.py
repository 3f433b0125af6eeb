"""The plots of the report. Each function returns a Picture; the same results give the same bytes."""
