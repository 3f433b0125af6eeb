"""One definition of each feature: the catalogue, the kernel that computes them and its two doors."""
