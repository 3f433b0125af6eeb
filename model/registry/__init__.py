"""Bundles by hash, and the aliases that say which one is champion."""
