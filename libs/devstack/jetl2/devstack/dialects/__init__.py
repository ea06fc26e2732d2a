"""One module an exchange; found by looking into this folder."""
