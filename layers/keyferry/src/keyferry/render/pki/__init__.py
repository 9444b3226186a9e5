"""Certificates and private keys: read in the forms that people have, checked, and written for Go and OpenSSL."""
