"""The decision record: every answer is stored before it is sent, then shipped to sinks; it can be replayed."""
