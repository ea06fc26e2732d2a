"""Records to rows of the field's file formats."""
