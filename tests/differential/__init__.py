"""Generated requests, the same for all four apps, whose answers are compared."""
