"""What the service needs of Google Cloud: made once, by `gcloud`, and safe to run again."""
