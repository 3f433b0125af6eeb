"""What the pipeline decides beyond running commands."""
