"""What people do by program: one target's review as JSON over HTTP, at `/tenants/{target}/{api}`."""
