"""What the service is measured beside: each a whole server, started as a process of its own."""
