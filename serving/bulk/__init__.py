"""Many customers at once: jobs that clients submit, and tables."""
