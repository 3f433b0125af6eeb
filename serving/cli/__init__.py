"""The subcommands of `customer-risk` that serving adds."""
