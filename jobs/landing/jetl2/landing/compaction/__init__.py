"""Closed days of the lake: the many small objects of a folder become one.

An object of a folder, topic and Kafka partition is made of all that landed there, under a name that
says so (`schemas.lake.compacted_name`); from its one PUT on it stands for them, and they are taken
away. That name and the object's own footer are all the state that there is.
"""
