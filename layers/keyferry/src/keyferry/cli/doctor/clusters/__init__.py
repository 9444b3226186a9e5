"""The checks of the clusters, by the kubeconfig of the person who looks."""
