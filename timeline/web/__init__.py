"""The pages over the read model: what happened to each contact, audience and event, for a person to look at.

Owns: routes, templates, pictures, and who may look.
Does not: read Kafka, metrics or files; what it shows beside the store comes from `sources`, which the caller fills.
Invariant: read only; every value is escaped; no e-mail address is in a URL, so in no access log.
"""
