"""`keyferry migrate handover`: lets mappings take over Secrets from their originals, step by step, and back.

    state      what is known of a target: its Secret, what the mapping makes, and its originals
    forward    the steps that are left until the mapping has the Secret, and `back` until the original has it again
    run        carries out the first step that is left, looks again, and so on: nothing is remembered in between

What the steps rest on is in the originals' sources: `applyOwnership` and `cleanupManagedSecrets` of External Secrets'
pkg/controllers/externalsecret/externalsecret_controller.go, and `Patcher` of the driver's
controllers/secretproviderclasspodstatus_controller.go.
"""
