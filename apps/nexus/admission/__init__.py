"""Who may come in, who waits in line for it, and how long one may stay.

`Place` is what a visit has here, from the line to its end. Nothing in this package
knows a socket, a peer connection or the database.
"""
