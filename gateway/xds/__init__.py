"""What nodes are sent over xDS, whichever node it is."""
