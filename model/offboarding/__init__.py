"""The proposed off-boarding list: its criteria, each customer's dossier, and the human sign-off."""
