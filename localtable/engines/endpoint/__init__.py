"""The endpoint engine: a model that is spoken to at an OpenAI-compatible server, wherever that runs."""
