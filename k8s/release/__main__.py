"""`python -m k8s.release`."""

from __future__ import annotations

from k8s.release.commands import main

if __name__ == "__main__":
    main()
