"""A decision as a file that others apply: a policy for a cluster, a plan to launch, the record of the decision."""
