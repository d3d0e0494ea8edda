"""verl as an engine: our problems and our reward in the form that verl reads. The only package that may import verl."""
