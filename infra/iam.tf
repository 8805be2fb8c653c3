# One account per function, each with what its function does and no more. Firestore grants by database, not by collection: that
# capture never writes production rests on the code, where each function's grant says so (entrypoints/privileges.py). A test holds
# these grants to those.

locals {
  # `source`: reads the sources. `publish`: topics. `write` and `read`: beginnings of object names in the bucket, those written read too.
  # `anchor`: adds to the audit bucket, and reads what it added.
  # The sweep resumes whatever another function left behind, so it may do all that they may.
  grants = {
    capture     = { source = true, publish = ["penstock-capture", "penstock-check"], write = ["manifests/", "backups/", "reports/", "releases/", "quarantine/"], read = [], anchor = true }
    check       = { source = false, publish = [], write = ["reports/"], read = [], anchor = false }
    promote     = { source = false, publish = ["penstock-capture", "penstock-promote"], write = ["backups/", "reports/"], read = [], anchor = true }
    dead_letter = { source = false, publish = [], write = [], read = [], anchor = false }
    sweep       = { source = true, publish = ["penstock-capture", "penstock-check", "penstock-promote"], write = ["manifests/", "backups/", "reports/"], read = ["releases/"], anchor = true }
    review      = { source = false, publish = ["penstock-capture", "penstock-check", "penstock-promote"], write = ["backups/", "reports/"], read = [], anchor = true }
  }

  publishers = merge([
    for function, grant in local.grants : { for topic in grant.publish : "${function} ${topic}" => { function = function, topic = topic } }
  ]...)
  writers = merge([
    for function, grant in local.grants : { for prefix in grant.write : "${function} ${prefix}" => { function = function, prefix = prefix } }
  ]...)
  readers = merge([
    for function, grant in local.grants : { for prefix in grant.read : "${function} ${prefix}" => { function = function, prefix = prefix } }
  ]...)
  anchorers = toset([for function, grant in local.grants : function if grant.anchor])
  database_users = {
    for pair in setproduct(keys(local.grants), local.target_databases) : "${pair[0]} ${pair[1]}" => {
      function = pair[0], project = split("/", pair[1])[0], database = split("/", pair[1])[1]
    }
  }
  source_readers = {
    for pair in setproduct([for function, grant in local.grants : function if grant.source], local.source_databases) :
    "${pair[0]} ${pair[1]}" => { function = pair[0], project = split("/", pair[1])[0], database = split("/", pair[1])[1] }
  }
  secret_readers = {
    for pair in setproduct(keys(local.grants), values(local.secrets)) : "${pair[0]} ${pair[1]}" => { function = pair[0], secret = pair[1] }
  }
}

resource "google_service_account" "functions" {
  for_each     = local.grants
  account_id   = local.names[each.key]
  display_name = "Penstock: ${each.key}"
}

resource "google_service_account" "caller" {
  account_id   = "penstock-caller"
  display_name = "Penstock: on whose behalf schedules and pushes call"
}

resource "google_project_iam_member" "databases" {
  for_each = local.database_users
  project  = var.projects[each.value.project]
  role     = "roles/datastore.user"
  member   = google_service_account.functions[each.value.function].member

  condition {
    title      = "one database"
    expression = "resource.name == 'projects/${var.projects[each.value.project]}/databases/${each.value.database}'"
  }
}

resource "google_project_iam_member" "sources" {
  for_each = local.source_readers
  project  = var.projects[each.value.project]
  role     = "roles/datastore.viewer"
  member   = google_service_account.functions[each.value.function].member

  condition {
    title      = "one database"
    expression = "resource.name == 'projects/${var.projects[each.value.project]}/databases/${each.value.database}'"
  }
}

resource "google_pubsub_topic_iam_member" "publishers" {
  for_each = local.publishers
  topic    = google_pubsub_topic.all[each.value.topic].id
  role     = "roles/pubsub.publisher"
  member   = google_service_account.functions[each.value.function].member
}

resource "google_storage_bucket_iam_member" "writers" {
  for_each = local.writers
  bucket   = google_storage_bucket.penstock.name
  role     = "roles/storage.objectUser"
  member   = google_service_account.functions[each.value.function].member

  condition {
    title      = "objects under ${each.value.prefix}"
    expression = "resource.name.startsWith('projects/_/buckets/${local.bucket}/objects/${each.value.prefix}')"
  }
}

resource "google_storage_bucket_iam_member" "readers" {
  for_each = local.readers
  bucket   = google_storage_bucket.penstock.name
  role     = "roles/storage.objectViewer"
  member   = google_service_account.functions[each.value.function].member

  condition {
    title      = "objects under ${each.value.prefix}"
    expression = "resource.name.startsWith('projects/_/buckets/${local.bucket}/objects/${each.value.prefix}')"
  }
}

# Creating without deleting: whoever holds a function's account can add an anchor, and replace none.
resource "google_storage_bucket_iam_member" "anchor_writers" {
  for_each = local.anchorers
  bucket   = google_storage_bucket.audit.name
  role     = "roles/storage.objectCreator"
  member   = google_service_account.functions[each.value].member
}

resource "google_storage_bucket_iam_member" "anchor_readers" {
  for_each = local.anchorers
  bucket   = google_storage_bucket.audit.name
  role     = "roles/storage.objectViewer"
  member   = google_service_account.functions[each.value].member
}

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each  = local.secret_readers
  secret_id = each.value.secret
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.functions[each.value.function].member
}

resource "google_service_account" "build" {
  account_id   = "penstock-build"
  display_name = "Penstock: builds the functions' image"
}

resource "google_project_iam_member" "build" {
  for_each = toset(["roles/logging.logWriter", "roles/artifactregistry.writer"])
  project  = var.project
  role     = each.key
  member   = google_service_account.build.member
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.bundles.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}
