"""A tenant's day: what each service of a cloud has to do for somebody who works with it."""
