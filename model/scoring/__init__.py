"""All that serving imports: bundle, trees, reasons, segments and the scorer. Needs NumPy, Numba and msgspec alone."""
