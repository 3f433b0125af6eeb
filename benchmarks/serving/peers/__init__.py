"""The peers of the service: each is a complete server in a separate process."""
