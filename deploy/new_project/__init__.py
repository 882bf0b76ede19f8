"""Makes a project of one's own from one framework's app: `make new-<name>`."""
