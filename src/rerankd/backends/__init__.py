"""What turns pairs into logits. `base` is the port; each other module is one way to do it."""
