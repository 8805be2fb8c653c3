output "review_url" {
  value       = local.urls.review
  description = "Where the links in the mails lead."
}

output "schedules" {
  value       = { for name, schedule in local.schedules : name => "${schedule.cron} ${schedule.time_zone}" }
  description = "What fires when."
}

output "bundle" {
  value       = google_storage_bucket_object.functions.name
  description = "The code that is deployed; its name is the hash of its content."
}
