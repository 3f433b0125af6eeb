"""Risk decisions about a bank's customers: `model` trains and explains offline, `serving` answers online."""
