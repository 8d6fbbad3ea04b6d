"""Features of entities, one kind of modality each."""
