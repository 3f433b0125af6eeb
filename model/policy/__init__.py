"""Calibration to the portfolio's risk rate, and the cut-offs between the segments."""
