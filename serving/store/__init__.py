"""The store that several processes share, for jobs and idempotency keys."""
