"""Trains a calibrated model from features, evaluates it and writes the bundle and the report."""
