"""KServe's V2 protocol (Open Inference Protocol), by HTTP and by gRPC: tensors in, the wire's answers out."""
