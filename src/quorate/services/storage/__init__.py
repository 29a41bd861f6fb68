"""Parts of the service `ceph`: who is where, the accounts, the judgements."""
