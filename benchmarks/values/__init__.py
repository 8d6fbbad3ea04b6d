"""What the values of attributes add to an alignment."""
