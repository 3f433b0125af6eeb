"""The catalogue's features, a module a group."""
