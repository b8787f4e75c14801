"""The kinds of questions about the inside of a model, one a file: the question, its finding, how an answer narrows."""
