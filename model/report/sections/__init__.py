"""The sections of the report. Each module has a function `section` that makes it from the results."""
