"""The server, jobs and batches, which answer requests and record the decisions."""
