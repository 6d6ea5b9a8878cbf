# The decision service, which is optional: its variables, its stream and its module.

variable "decisions" {
  description = "The service that joins the results of several models by a policy and decides; null: none"
  type = object({
    policy                     = string                           # s3://bucket/key of the policy, in a bucket of this account; or a file in the image
    opens                      = optional(bool, false)            # whether the function also reads the event stream: true if the policy has `opens`
    environment                = optional(map(string), {})        # other settings of the function, such as LOG_LEVEL
    memory_mb                  = optional(number, 512)            # 128 to 10,240
    timeout_seconds            = optional(number, 60)             # 30 to 900
    reserved_concurrency       = optional(number)                 # 2 or more, for a tick beside a batch; null: the account's unreserved concurrency
    batch_size                 = optional(number, 100)            # 1 to 10,000
    batching_window_seconds    = optional(number, 0)              # 0 to 300
    parallelization_factor     = optional(number, 1)              # 1 to 10
    maximum_retry_attempts     = optional(number, 100)            # 0 to 10,000
    maximum_record_age_seconds = optional(number, 43200)          # 60 to 604,800, and less than the streams' retention
    starting_position          = optional(string, "TRIM_HORIZON") # TRIM_HORIZON or LATEST
  })
  default = null

  validation {
    condition     = var.decisions == null ? true : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^?#*]*[^/?#*]$|^/?[^:/?#*][^:?#*]*$", var.decisions.policy))
    error_message = "decisions.policy: allowed is s3://bucket/key, or a file in the image."
  }
  validation {
    condition     = var.decisions == null ? true : length(setintersection(keys(var.decisions.environment), ["DEAD_LETTERS", "DECISION_POLICY", "DECISION_TABLE", "PREDICTIONS_STREAM_NAME"])) == 0
    error_message = "decisions.environment: DEAD_LETTERS, DECISION_POLICY, DECISION_TABLE and PREDICTIONS_STREAM_NAME are set by Terraform; DECISION_POLICY by the attribute policy."
  }
  validation {
    condition     = var.decisions == null ? true : alltrue([for name in keys(var.decisions.environment) : can(regex("^[A-Za-z][A-Za-z0-9_]+$", name)) && !startswith(name, "AWS_")])
    error_message = "decisions.environment: allowed are names of letters, digits and _ that do not begin with AWS_, which Lambda reserves."
  }
  validation {
    # Above INFO, Lambda would drop the lines that the alarms read.
    condition     = var.decisions == null ? true : contains(["DEBUG", "INFO"], upper(lookup(var.decisions.environment, "LOG_LEVEL", "INFO")))
    error_message = "decisions.environment.LOG_LEVEL: allowed are DEBUG and INFO; above, Lambda would drop the lines that alarms read."
  }
  validation {
    condition     = var.decisions == null ? true : alltrue([for name, range in { memory_mb = [128, 10240], timeout_seconds = [30, 900], batch_size = [1, 10000], batching_window_seconds = [0, 300], parallelization_factor = [1, 10], maximum_retry_attempts = [0, 10000], maximum_record_age_seconds = [60, 604800] } : var.decisions[name] >= range[0] && var.decisions[name] <= range[1] && floor(var.decisions[name]) == var.decisions[name]])
    error_message = try(join("; ", [for name, range in { memory_mb = [128, 10240], timeout_seconds = [30, 900], batch_size = [1, 10000], batching_window_seconds = [0, 300], parallelization_factor = [1, 10], maximum_retry_attempts = [0, 10000], maximum_record_age_seconds = [60, 604800] } : format("decisions.%s is %v: allowed is a whole number from %v to %v", name, var.decisions[name], range[0], range[1]) if !(var.decisions[name] >= range[0] && var.decisions[name] <= range[1] && floor(var.decisions[name]) == var.decisions[name])]), "")
  }
  validation {
    condition     = try(var.decisions.reserved_concurrency, null) == null ? true : var.decisions.reserved_concurrency >= 2 && floor(var.decisions.reserved_concurrency) == var.decisions.reserved_concurrency
    error_message = "decisions.reserved_concurrency: allowed is a whole number from 2, or null; with 1, a batch would keep the schedule's tick out."
  }
  validation {
    condition     = var.decisions == null ? true : contains(["TRIM_HORIZON", "LATEST"], var.decisions.starting_position)
    error_message = "decisions.starting_position: allowed are TRIM_HORIZON and LATEST."
  }
}

variable "decision_stream" {
  description = "Stream of decisions, if there are any"
  type = object({
    mode            = optional(string, "ON_DEMAND") # ON_DEMAND or PROVISIONED
    shards          = optional(number)              # 1 to 10,000; only if PROVISIONED
    retention_hours = optional(number, 24)          # 24 to 8,760
  })
  default = {}

  validation {
    condition     = contains(["ON_DEMAND", "PROVISIONED"], var.decision_stream.mode)
    error_message = "decision_stream.mode: allowed are ON_DEMAND and PROVISIONED."
  }
  validation {
    condition     = var.decision_stream.mode != "PROVISIONED" || try(var.decision_stream.shards >= 1 && var.decision_stream.shards <= 10000 && floor(var.decision_stream.shards) == var.decision_stream.shards, false)
    error_message = "decision_stream.shards: allowed is a whole number from 1 to 10,000 if mode is PROVISIONED."
  }
  validation {
    condition     = var.decision_stream.mode == "PROVISIONED" || var.decision_stream.shards == null
    error_message = "decision_stream.shards: allowed only if mode is PROVISIONED; Kinesis chooses the shards of an ON_DEMAND stream."
  }
  validation {
    condition     = var.decision_stream.retention_hours >= 24 && var.decision_stream.retention_hours <= 8760 && floor(var.decision_stream.retention_hours) == var.decision_stream.retention_hours
    error_message = "decision_stream.retention_hours: allowed is a whole number from 24 to 8,760 (a year)."
  }
}

module "decision_stream" {
  source = "./modules/stream"
  count  = var.decisions == null ? 0 : 1

  name            = "${var.name}-decisions"
  mode            = var.decision_stream.mode
  shards          = var.decision_stream.shards
  retention_hours = var.decision_stream.retention_hours
  key_arn         = module.encryption.key_arn
  alarm_topic_arn = module.observability.alarm_topic_arn
  runbook         = var.runbook
}

module "decisions" {
  source   = "./modules/decisions"
  for_each = var.decisions == null ? {} : { decisions = var.decisions }

  project                = var.name
  place                  = local.place
  settings               = each.value
  image                  = var.image
  architecture           = var.architecture
  result_stream          = { name = module.prediction_stream.name, arn = module.prediction_stream.arn, retention_hours = var.prediction_stream.retention_hours }
  event_stream           = { name = module.event_stream.name, arn = module.event_stream.arn, retention_hours = var.event_stream.retention_hours }
  decision_stream        = { name = module.decision_stream[0].name, arn = module.decision_stream[0].arn }
  dead_letter_bucket     = module.dead_letters.bucket
  dead_letter_bucket_arn = module.dead_letters.bucket_arn
  key_arn                = module.encryption.key_arn
  log_retention_days     = var.log_retention_days
  alarm_topic_arn        = module.observability.alarm_topic_arn
  runbook                = var.runbook
  tracing                = var.tracing
  vpc                    = var.vpc
}
