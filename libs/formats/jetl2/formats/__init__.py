"""File formats that the field's tools read: records in, rows of text out; pure but for `files`."""
