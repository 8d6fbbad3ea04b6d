"""How many questions to people it takes until enough matches are right."""
