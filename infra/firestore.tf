# Indexes, exemptions and time to live, in every target's database, from the file that `firebase deploy` reads too. The rules are
# not deployed here: a database has one rules file, and it is the application's.

locals {
  index_file = jsondecode(file("${path.module}/../firestore.indexes.json"))

  firestore_fields = merge([
    for database in local.target_databases : {
      for field in local.index_file.fieldOverrides : "${database} ${field.collectionGroup}.${field.fieldPath}" => {
        project    = split("/", database)[0]
        database   = split("/", database)[1]
        collection = field.collectionGroup
        field      = field.fieldPath
        ttl        = try(field.ttl, false)
        indexes    = field.indexes
      }
    }
  ]...)
  firestore_indexes = merge([
    for database in local.target_databases : {
      for index in local.index_file.indexes : "${database} ${index.collectionGroup} ${join(" ", index.fields[*].fieldPath)}" => {
        project    = split("/", database)[0]
        database   = split("/", database)[1]
        collection = index.collectionGroup
        scope      = index.queryScope
        fields     = index.fields
      }
    }
  ]...)
}

resource "google_firestore_field" "all" {
  for_each   = local.firestore_fields
  project    = var.projects[each.value.project]
  database   = each.value.database
  collection = each.value.collection
  field      = each.value.field

  index_config {
    dynamic "indexes" {
      for_each = each.value.indexes
      content {
        order        = try(indexes.value.order, null)
        array_config = try(indexes.value.arrayConfig, null)
        query_scope  = indexes.value.queryScope
      }
    }
  }

  dynamic "ttl_config" {
    for_each = each.value.ttl ? [true] : []
    content {}
  }
}

resource "google_firestore_index" "all" {
  for_each    = local.firestore_indexes
  project     = var.projects[each.value.project]
  database    = each.value.database
  collection  = each.value.collection
  query_scope = each.value.scope

  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path   = fields.value.fieldPath
      order        = try(fields.value.order, null)
      array_config = try(fields.value.arrayConfig, null)
    }
  }
}
