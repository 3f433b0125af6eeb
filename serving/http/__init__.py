"""The HTTP server: connections, admission, and the paths that KServe doesn't answer."""
