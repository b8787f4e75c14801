"""The engine of a model that an OpenAI-compatible server runs: the only room that sends anything over a network."""
