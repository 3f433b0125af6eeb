"""Records on the disk, until the shipper has moved them."""
