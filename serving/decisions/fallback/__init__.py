"""Declared rules, which answer if the model can't."""
