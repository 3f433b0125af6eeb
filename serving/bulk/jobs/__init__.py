"""Jobs: files of many customers, scored at lower priority than requests."""
