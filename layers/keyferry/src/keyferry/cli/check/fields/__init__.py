"""The errors of a model → one problem for each cause, in the words of the mapping language."""
