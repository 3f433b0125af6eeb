"""The kernel: computes every feature, for one customer or all."""
