variable "project" {
  type        = string
  description = "Id of the project that the functions, topics, schedules and buckets live in."
}

variable "region" {
  type    = string
  default = "europe-west1"
}

variable "projects" {
  type        = map(string)
  description = "Project ids by the names that pipelines use for them."

  validation {
    condition     = length(setsubtract(local.project_names, keys(var.projects))) == 0
    error_message = "A pipeline names a project without an id here: ${join(", ", setsubtract(local.project_names, keys(var.projects)))}."
  }
}

variable "pipelines" {
  type        = set(string)
  default     = []
  description = "Of the pipelines in the bundle, those that this deployment uses; only their projects and people are needed then. None: all."

  validation {
    condition     = length(setsubtract(var.pipelines, local.pipeline_names)) == 0
    error_message = "There is no such pipeline: ${join(", ", setsubtract(var.pipelines, local.pipeline_names))}. There are: ${join(", ", local.pipeline_names)}."
  }
}

variable "tenant_databases" {
  type        = set(string)
  default     = []
  description = "The databases of targets that are declared in a hub, as `project name/database`: each gets indexes, and the functions their rights in it."

  validation {
    condition     = length(setsubtract([for database in var.tenant_databases : split("/", database)[0]], keys(var.projects))) == 0
    error_message = "A tenant's database lies in a project without an id in `projects`."
  }
}

variable "people" {
  type        = map(list(string))
  description = "Addresses by the names that pipelines use for groups of approvers and of operators."

  validation {
    condition     = alltrue([for name in local.people_names : length(lookup(var.people, name, [])) > 0])
    error_message = "A pipeline's gate names approvers without an address here. Needed: ${join(", ", local.people_names)}."
  }
}

variable "audit_days" {
  type        = number
  default     = 3650
  description = "For so many days an anchor of an audit chain can be neither changed nor removed."
}

variable "audit_locked" {
  type        = bool
  default     = false
  description = "Lock the retention of the anchors. True in production; it cannot be undone, and the bucket outlives its project's resources."
}

variable "keys_secret" {
  type        = string
  default     = "penstock-keys"
  description = "Secret Manager secret with the token keys: `id:64 hex digits`, newest first, with commas between, as `penstock keys rotate` writes them. Made by hand, so that no key is in Terraform's state."
}

variable "smtp" {
  type = object({
    host            = string
    port            = optional(number, 587)
    security        = optional(string, "starttls")
    user            = optional(string, "")
    password_secret = optional(string, "") # Secret Manager secret; "" for a server that asks for none
    from            = string
  })

  validation {
    condition     = contains(["none", "starttls", "tls"], var.smtp.security)
    error_message = "smtp.security is none, starttls or tls."
  }
}
