"""Code common to all apps; it imports no web framework and is part of every bundle."""
