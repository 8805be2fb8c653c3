locals {
  # Workers get one request at a time: a capture or a promotion uses the whole instance.
  # Seconds: a schedule waits at most 30 minutes for its answer, a push 10.
  functions = {
    capture     = { public = false, seconds = 1800, concurrency = 1, most = 10 }
    check       = { public = false, seconds = 540, concurrency = 1, most = 20 }
    promote     = { public = false, seconds = 540, concurrency = 1, most = 20 }
    dead_letter = { public = false, seconds = 60, concurrency = 1, most = 2 }
    sweep       = { public = false, seconds = 1800, concurrency = 1, most = 2 }
    review      = { public = true, seconds = 540, concurrency = 8, most = 10 }
  }
  names = { for name, _ in local.functions : name => "penstock-${replace(name, "_", "-")}" }
  urls  = { for name, deployed in local.names : name => "https://${var.region}-${var.project}.cloudfunctions.net/${deployed}" }

  caller = "penstock-caller@${var.project}.iam.gserviceaccount.com" # on whose behalf schedules and pushes call
  bucket = "${var.project}-penstock"

  audit_bucket = "${local.bucket}-audit"

  environment = merge(
    { for name, id in var.projects : "PENSTOCK_PROJECT_${upper(name)}" => id },
    { for name, addresses in var.people : "PENSTOCK_PEOPLE_${upper(name)}" => join(",", addresses) },
    {
      GOOGLE_CLOUD_PROJECT   = var.project
      PENSTOCK_BUCKET        = local.bucket
      PENSTOCK_AUDIT_BUCKET  = local.audit_bucket
      PENSTOCK_BASE_URL      = local.urls.review
      PENSTOCK_ACCOUNTS      = local.caller
      PENSTOCK_SMTP_HOST     = var.smtp.host
      PENSTOCK_SMTP_PORT     = tostring(var.smtp.port)
      PENSTOCK_SMTP_SECURITY = var.smtp.security
      PENSTOCK_SMTP_USER     = var.smtp.user
      PENSTOCK_MAIL_FROM     = var.smtp.from
    },
    length(var.pipelines) > 0 ? tomap({ PENSTOCK_ONLY = join(",", var.pipelines) }) : tomap({}),
  )
  secrets = merge(
    { PENSTOCK_KEYS = var.keys_secret },
    var.smtp.password_secret == "" ? {} : { PENSTOCK_SMTP_PASSWORD = var.smtp.password_secret },
  )
}

resource "google_cloudfunctions2_function" "all" {
  for_each = local.functions
  name     = local.names[each.key]
  location = var.region

  build_config {
    runtime         = "python311"
    entry_point     = each.key
    service_account = google_service_account.build.id
    source {
      storage_source {
        bucket = google_storage_bucket.bundles.name
        object = google_storage_bucket_object.functions.name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.functions[each.key].email
    available_memory                 = "512Mi"
    available_cpu                    = "1"
    timeout_seconds                  = each.value.seconds
    max_instance_count               = each.value.most
    max_instance_request_concurrency = each.value.concurrency
    environment_variables            = merge(local.environment, { PENSTOCK_AUDIENCE = local.urls[each.key] })

    dynamic "secret_environment_variables" {
      for_each = local.secrets
      content {
        key        = secret_environment_variables.key
        secret     = secret_environment_variables.value
        project_id = var.project
        version    = "latest"
      }
    }
  }

  depends_on = [google_project_service.needed, google_secret_manager_secret_iam_member.readers, google_project_iam_member.build]
}

# Workers: only the account on whose behalf schedules and pushes call; the code checks audience and account once more. The
# ingress stays open: closed, it lets those callers in by a service's run.app address alone, which is not known beforehand.
resource "google_cloud_run_v2_service_iam_member" "private" {
  for_each = { for name, function in local.functions : name => function if !function.public }
  name     = google_cloudfunctions2_function.all[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.caller.member
}

# The page behind a mailed link: anybody may knock, and the link's token and the code beside it decide.
resource "google_cloud_run_v2_service_iam_member" "public" {
  for_each = { for name, function in local.functions : name => function if function.public }
  name     = google_cloudfunctions2_function.all[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
