"""Where the decision record is moved to: folders, object stores, tables."""
