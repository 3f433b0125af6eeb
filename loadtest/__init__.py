"""Load on a running service: what it reaches beside its peers, and how it behaves beyond that."""
