"""Pure functions over numbers and arrays. No files, no clock, no database, no charts; they do not import each other."""
