"""From a request to a decision, with one verified bundle or by fallback rules."""
