"""What the apps have in common; it imports no web framework and ships inside every bundle."""
