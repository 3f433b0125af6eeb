"""Online: a request in, an answer out."""
