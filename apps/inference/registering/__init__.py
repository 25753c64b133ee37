"""How model versions come into the database and onto the disk, and leave them again."""
