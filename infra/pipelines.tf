# What the pipelines declare, read from the same files that the functions load. No resource is named here or in any other local:
# so all of this can be evaluated, and tested, without a provider.

locals {
  pipeline_names = toset([
    for file in fileset("${path.module}/../functions/penstock/pipelines", "*.yaml") : trimsuffix(file, ".yaml")
  ])
  pipelines = {
    for name in local.pipeline_names : name => yamldecode(file("${path.module}/../functions/penstock/pipelines/${name}.yaml"))
    if length(var.pipelines) == 0 || contains(var.pipelines, name)
  }

  project_names = toset(flatten([
    for pipeline in local.pipelines : [
      [for source in pipeline.sources : source.project],
      [for target in try(pipeline.targets, {}) : target.project],
      try([pipeline.hub.project], []),
    ]
  ]))
  people_names = toset([for pipeline in local.pipelines : pipeline.gate.approvers])

  # A database is `project name/database`.
  source_databases = toset(flatten([
    for pipeline in local.pipelines : [for source in pipeline.sources : "${source.project}/${try(source.database, "(default)")}"]
  ]))
  # Those that a file names, the hubs, and those of the targets that operators declare in a hub.
  target_databases = setunion(
    toset(flatten([
      for pipeline in local.pipelines : [
        [for target in try(pipeline.targets, {}) : "${target.project}/${try(target.database, "(default)")}"],
        try(["${pipeline.hub.project}/${try(pipeline.hub.database, "(default)")}"], []),
      ]
    ])),
    var.tenant_databases,
  )

  unit_days = { minute = 1 / 1440, hour = 1 / 24, day = 1, week = 7 }

  # Whole days, rounded up, by the beginning of the names of a pipeline's targets.
  kept_days = {
    for name, pipeline in local.pipelines :
    "${name}." => ceil(tonumber(split(" ", pipeline.retention.backups)[0]) * local.unit_days[trimsuffix(split(" ", pipeline.retention.backups)[1], "s")])
  }

  schedules = merge(
    {
      for name, pipeline in local.pipelines : "penstock-capture-${replace(name, "_", "-")}" => {
        function  = "capture"
        cron      = pipeline.schedule
        time_zone = pipeline.time_zone
        body      = { pipeline = name }
      }
    },
    {
      for name, pipeline in local.pipelines : "penstock-capture-${replace(name, "_", "-")}-active" => {
        function  = "capture"
        cron      = pipeline.active_schedule
        time_zone = pipeline.time_zone
        body      = { pipeline = name, active = true }
      } if can(pipeline.active_schedule)
    },
    {
      penstock-sweep = { function = "sweep", cron = "*/5 * * * *", time_zone = "Etc/UTC", body = {} }
    },
  )
}
