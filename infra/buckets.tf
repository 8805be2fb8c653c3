# Reports, prior images and manifests.
resource "google_storage_bucket" "penstock" {
  name                        = local.bucket
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Prior images and reports go when a pipeline's retention ends. Manifests and releases stay: the newest one is needed however
  # long nothing changes, and age does not tell which that is. Manifests hold keys and fingerprints, no values; releases hold the
  # fields that the pipeline reads of a source which its targets share.
  dynamic "lifecycle_rule" {
    for_each = local.kept_days
    content {
      action {
        type = "Delete"
      }
      condition {
        age            = lifecycle_rule.value
        matches_prefix = ["backups/${lifecycle_rule.key}", "reports/${lifecycle_rule.key}", "quarantine/${lifecycle_rule.key}"]
      }
    }
  }
}

# Anchors of the audit chains: hashes and numbers, no values. Nothing in here can be changed or removed before its time, by nobody;
# once `audit_locked` is true, not even by changing this file.
resource "google_storage_bucket" "audit" {
  name                        = local.audit_bucket
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  retention_policy {
    retention_period = var.audit_days * 86400
    is_locked        = var.audit_locked
  }
}

resource "google_storage_bucket" "bundles" {
  name                        = "${local.bucket}-bundles"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 90 # a bundle is built once; the image is what runs
    }
  }
}
