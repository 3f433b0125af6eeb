"""Calibration, the portfolio's risk rate and thresholds: from a margin to an action."""
