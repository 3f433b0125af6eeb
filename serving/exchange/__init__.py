"""The exchange, which decides, records and commits every request of every protocol, and its observers."""
