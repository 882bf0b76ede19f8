"""The contract: the cases that every app has to pass, and the suite that runs them."""
