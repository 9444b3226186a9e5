"""The clusters as the person who runs a command reaches them: by contexts of their own kubeconfig."""
