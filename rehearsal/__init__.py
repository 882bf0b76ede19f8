"""A local stand-in for a Connect server: it runs the apps and mounts them under path prefixes."""
