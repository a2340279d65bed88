"""The network: its variables, its loss and our own loops over them."""
