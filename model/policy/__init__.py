"""From a margin to an action: calibration, the portfolio's risk rate, thresholds."""
