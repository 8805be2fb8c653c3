locals {
  # Topic → the function it is pushed to. What fails ten times goes to penstock-dead.
  topics = {
    penstock-capture = "capture"
    penstock-check   = "check"
    penstock-promote = "promote"
    penstock-dead    = "dead_letter"
  }
  worked_topics = { for topic, function in local.topics : topic => function if topic != "penstock-dead" }
}

resource "google_pubsub_topic" "all" {
  for_each                   = local.topics
  name                       = each.key
  message_retention_duration = "604800s"
  depends_on                 = [google_project_service.needed]
}

resource "google_pubsub_subscription" "push" {
  for_each                   = local.topics
  name                       = "${each.key}-push"
  topic                      = google_pubsub_topic.all[each.key].id
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = "" # never: a quiet month must not delete the subscription
  }

  push_config {
    push_endpoint = local.urls[each.value]
    oidc_token {
      service_account_email = google_service_account.caller.email
      audience              = local.urls[each.value]
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dynamic "dead_letter_policy" {
    for_each = each.key == "penstock-dead" ? [] : ["penstock-dead"]
    content {
      dead_letter_topic     = google_pubsub_topic.all[dead_letter_policy.value].id
      max_delivery_attempts = 10
    }
  }
}

# Pub/Sub itself moves a message to the dead letters: it needs to publish there, and to take the message from where it was.
data "google_project" "this" {}

resource "google_pubsub_topic_iam_member" "dead" {
  topic  = google_pubsub_topic.all["penstock-dead"].id
  role   = "roles/pubsub.publisher"
  member = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_subscription_iam_member" "dead" {
  for_each     = local.worked_topics
  subscription = google_pubsub_subscription.push[each.key].id
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}
