# What is deployed: the folder functions/ without what runs on a developer's machine alone.

locals {
  bundle_files = toset([
    for file in fileset("${path.module}/../functions", "**") : file
    if !can(regex("(^|/)(__pycache__|[^/]+\\.egg-info)/", file)) && !can(regex("^penstock/(local|cli)/", file))
  ])
}

data "archive_file" "functions" {
  type        = "zip"
  output_path = "${path.module}/.terraform/functions.zip"

  dynamic "source" {
    for_each = local.bundle_files
    content {
      filename = source.value
      content  = file("${path.module}/../functions/${source.value}")
    }
  }
}

resource "google_storage_bucket_object" "functions" {
  bucket = google_storage_bucket.bundles.name
  name   = "functions-${data.archive_file.functions.output_sha256}.zip" # other content, other name: so a change is deployed
  source = data.archive_file.functions.output_path
}
