"""Finished debates, for people: terminal and Markdown; reads transcripts, never an engine."""
