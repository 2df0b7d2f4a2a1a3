"""How nano was made, from nothing but package registries to the checkpoint. `python -m model.training`."""
