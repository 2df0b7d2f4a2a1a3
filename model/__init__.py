"""The network, its prompt, its checkpoint, its training. Knows no sessions and no sockets."""
