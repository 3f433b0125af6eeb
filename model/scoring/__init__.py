"""Scoring: bundle, trees, reasons, segments and scorer. It needs only NumPy, Numba and msgspec."""
