"""The FIX side of the exchanges that have one, a module each, named as its exchange."""
