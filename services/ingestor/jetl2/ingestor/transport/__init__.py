"""How frames come in: websocket, and REST for snapshots and lists."""
