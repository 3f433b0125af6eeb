"""KServe's V2 protocol (Open Inference Protocol), over HTTP and gRPC: tensors in, answers as tensors out."""
