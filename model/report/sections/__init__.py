"""The report's sections, one a module: each takes the run's results and gives a Section."""
