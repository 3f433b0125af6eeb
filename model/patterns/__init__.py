"""The transaction patterns that corroborate a high score: definitions and search."""
