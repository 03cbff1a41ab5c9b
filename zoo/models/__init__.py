"""The variants, one file each. They never import each other."""
