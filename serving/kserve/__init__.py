"""KServe's server: the protocols V1 and V2, over HTTP and gRPC."""
