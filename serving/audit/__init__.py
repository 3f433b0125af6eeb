"""Reading the decision record: what was decided and why, and whether it would be decided again."""
