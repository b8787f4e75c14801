"""The static views of findings, one file a kind, named as in protocol/questions/."""
