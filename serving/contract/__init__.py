"""What is on the wire: requests, answers, problems, times, identifiers."""
