"""The decision record: every answer kept before it leaves, moved to where auditors look, and replayable."""
