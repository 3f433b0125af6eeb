"""The registry: stores bundles by their hash, and aliases such as champion that point at them."""
