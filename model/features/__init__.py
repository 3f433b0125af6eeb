"""Features: the catalogue that defines each one, the kernel, and the encoders for requests and for tables."""
