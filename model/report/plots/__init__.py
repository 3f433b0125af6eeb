"""One plot a module; each takes the run's results and gives a Picture, the same bytes for the same results."""
