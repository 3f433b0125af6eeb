"""Declared rules that answer where the model can't."""
