"""What a client outside the cluster does with a service: used by the services' proofs (`Service.verify`)."""
