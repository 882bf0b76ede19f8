"""The contract: what every app does, said once and run against all of them."""
