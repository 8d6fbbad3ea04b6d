"""How time and memory grow with the size of a problem: whole runs, stage by stage."""
