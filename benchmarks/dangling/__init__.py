"""How well entities without a counterpart are told from those that have one."""
