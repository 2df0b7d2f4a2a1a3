"""One live conversation: audio in, thoughts and replies out. Knows no wire format."""
