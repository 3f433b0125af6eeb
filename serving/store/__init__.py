"""What several processes share: jobs and idempotency keys, behind one small interface."""
