"""KServe's server, its V1 and V2 protocols, by HTTP and gRPC."""
