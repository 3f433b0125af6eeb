"""Evaluates models: metrics, confidence intervals, decisions and fairness."""
