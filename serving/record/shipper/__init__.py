"""The process that moves the decision record from the outbox to its sinks, each record exactly once."""
