"""The HTTP server: connections, admission, and the paths that aren't KServe's."""
