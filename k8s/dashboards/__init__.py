"""The dashboards: one definition, and its renderers for Grafana, Cloud Monitoring and pictures."""
