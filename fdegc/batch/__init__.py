"""Many files at once: which, whether they are done already, here or on a cluster, and a report of them."""
