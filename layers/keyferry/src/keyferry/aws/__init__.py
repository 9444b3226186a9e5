"""Clients of AWS: Secrets Manager, Parameter Store, SQS, EKS and the STS sessions of roles, and the errors of AWS."""
