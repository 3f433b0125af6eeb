"""The outbox: records on the disk until the shipper has sent them to the sinks."""
