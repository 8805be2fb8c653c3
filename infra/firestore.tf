# Indexes, exemptions and time to live, in every target's database, from the file that `firebase deploy` reads too; an index of a
# collection that a pipeline reads, in the database of that source. The rules are not deployed here: a database has one rules file,
# and it is the application's.

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
  sources = flatten([
    for pipeline in local.pipelines : [
      for source in pipeline.sources : {
        database   = "${source.project}/${try(source.database, "(default)")}"
        collection = reverse(split("/", source.collection))[0]
      }
    ]
  ])
  index_places = merge([
    for index in local.index_file.indexes : {
      for database in(
        contains(local.sources[*].collection, index.collectionGroup)
        ? toset([for source in local.sources : source.database if source.collection == index.collectionGroup])
        : local.target_databases
      ) : "${database} ${index.collectionGroup} ${join(" ", index.fields[*].fieldPath)}" => { database = database, index = index }
    }
  ]...)
  firestore_indexes = {
    for name, place in local.index_places : name => {
      project    = split("/", place.database)[0]
      database   = split("/", place.database)[1]
      collection = place.index.collectionGroup
      scope      = place.index.queryScope
      fields     = place.index.fields
    }
  }
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
