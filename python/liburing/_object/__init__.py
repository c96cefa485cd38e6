"""The object tier in parts: each module has the operations of one kind."""
