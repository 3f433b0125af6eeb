"""The processes of the service: workers, listening sockets, child processes and shutdown."""
