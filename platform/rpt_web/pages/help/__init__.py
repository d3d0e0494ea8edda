"""Help: the documents of this version, and the glossary that terms on pages link to."""
