"""Commands that show, list, replay, verify, export and erase recorded decisions."""
