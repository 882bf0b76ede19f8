"""Mutation: every small change of an app or of shared/ has to make the contract suite fail."""
