"""The command `customer-risk`, and the arguments and options of the subcommands that `model` has."""
