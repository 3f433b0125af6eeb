"""The Kubernetes objects and Google Cloud resources that the service needs, and the commands that deploy a release."""
