"""The builds of the pipeline, and the check of an image's vulnerabilities."""
