"""Jobs: files of many customers, answered beside the requests that somebody waits for."""
