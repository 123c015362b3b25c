"""Writes the Kubernetes manifests of the functions from stack.yml, for clusters without OpenFaaS."""
