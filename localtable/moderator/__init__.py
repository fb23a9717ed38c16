"""The moderator's room: what happened in a debate, computed; a summary of it in words; every word held against it.

Nothing here runs a model. `facts` reads a written transcript, `templates` says the facts in plain sentences.
"""
