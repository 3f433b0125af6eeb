"""The kernel's parts: each fills the features of one kind from a customer's transactions, which are in order."""
