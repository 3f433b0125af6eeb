"""Creates with `gcloud` the Google Cloud resources that the service needs; every command can be repeated."""
