"""`make upgrade-matrix`: the contract over the releases of the last twelve months."""
