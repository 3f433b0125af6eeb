"""The process around the service: workers, the way in, reloading, an orderly end."""
