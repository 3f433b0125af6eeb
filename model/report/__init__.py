"""The risk committee's report and the model card."""
