"""`python -m k8s.gcloud`."""

from __future__ import annotations

from k8s.gcloud.commands import main

if __name__ == "__main__":
    main()
