"""The answers to questions about the inside of a model, one file a kind, named as in protocol/questions/."""
