"""The transaction patterns that corroborate a high score: what they are, and how they are found."""
