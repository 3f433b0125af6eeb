"""The one way of a request through serving, whichever protocol it came by, and what observes its outcome."""
