"""What a cluster needs for the service, and how releases get there."""
