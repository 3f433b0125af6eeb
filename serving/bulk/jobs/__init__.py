"""Jobs: files of many customers, answered with lower priority than requests."""
