"""What RBAC cannot express about the pipeline's rights in a cluster: ValidatingAdmissionPolicies."""
