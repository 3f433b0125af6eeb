"""The one computation of every feature, for one customer or all."""
