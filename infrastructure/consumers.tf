# The one variable that is long: the functions on the event stream.

variable "consumers" {
  description = "The functions on the event stream, by name; each has a role, an alias, an event source mapping and alarms of its own"
  type = map(object({
    models                     = optional(string)                 # MODELS, such as duration,tip; null: the model's default
    environment                = optional(map(string), {})        # other settings of the function, such as MODEL_LOCATION and MODEL_REFRESH_SECONDS
    memory_mb                  = optional(number, 512)            # 128 to 10,240
    timeout_seconds            = optional(number, 60)             # 30 to 900
    reserved_concurrency       = optional(number)                 # 1 or more; null: the account's unreserved concurrency
    batch_size                 = optional(number, 1000)           # 1 to 10,000
    batching_window_seconds    = optional(number, 0)              # 0 to 300
    parallelization_factor     = optional(number, 1)              # 1 to 10
    maximum_retry_attempts     = optional(number, 100)            # 0 to 10,000
    maximum_record_age_seconds = optional(number, 43200)          # 60 to 604,800, and less than the stream's retention
    starting_position          = optional(string, "TRIM_HORIZON") # TRIM_HORIZON or LATEST
    enhanced_fan_out           = optional(bool, false)            # 2 MB/s a shard for this function alone
    filter_patterns            = optional(list(string), [])       # event patterns in JSON, at most 5; none: every event
  }))
  default = { duration_tip = { models = "duration,tip" } }

  validation {
    # A role's name has at most 64 characters, with the project's name and the region in it.
    condition     = length(var.consumers) >= 1 && alltrue([for name in keys(var.consumers) : can(regex("^[a-z][a-z0-9_-]{0,27}$", name))])
    error_message = "consumers: allowed is one or more, each named by 1 to 28 lower-case letters, digits and any of _-, the first a letter."
  }
  validation {
    condition     = !contains(keys(var.consumers), "decisions")
    error_message = "consumers: decisions is the name of the decision service; allowed is any other."
  }
  validation {
    condition     = length(setintersection(flatten([for consumer in var.consumers : keys(consumer.environment)]), ["DEAD_LETTERS", "MODELS", "PREDICTIONS_STREAM_NAME"])) == 0
    error_message = "consumers.environment: DEAD_LETTERS, MODELS and PREDICTIONS_STREAM_NAME are set by Terraform; MODELS by the attribute models."
  }
  validation {
    condition     = alltrue([for name in flatten([for consumer in var.consumers : keys(consumer.environment)]) : can(regex("^[A-Za-z][A-Za-z0-9_]+$", name)) && !startswith(name, "AWS_")])
    error_message = "consumers.environment: allowed are names of letters, digits and _ that do not begin with AWS_, which Lambda reserves."
  }
  validation {
    # Lambda takes a line without a level or with a time not in RFC 3339 for INFO: at WARN it would drop the metrics and the errors.
    condition     = alltrue([for consumer in var.consumers : contains(["DEBUG", "INFO"], upper(lookup(consumer.environment, "LOG_LEVEL", "INFO")))])
    error_message = "consumers.environment.LOG_LEVEL: allowed are DEBUG and INFO; above, Lambda would drop the metrics that alarms read."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : contains(["off", "hot", "all"], lower(lookup(consumer.environment, "AGGREGATE_OUTPUT", "off")))])
    error_message = "consumers.environment.AGGREGATE_OUTPUT: allowed are off, hot and all."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#*]*)?$|^/[^?#*]+$|^[^:/][^:?#*]*$", lookup(consumer.environment, "MODEL_LOCATION", "models")))])
    error_message = "consumers.environment.MODEL_LOCATION: allowed is s3://bucket/prefix, or a folder in the image."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : can(regex("^[1-9][0-9]{0,4}$", lookup(consumer.environment, "MODEL_REFRESH_SECONDS", "10"))) && tonumber(lookup(consumer.environment, "MODEL_REFRESH_SECONDS", "10")) <= 86400])
    error_message = "consumers.environment.MODEL_REFRESH_SECONDS: allowed is a whole number from 1 to 86,400."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : !endswith(lookup(consumer.environment, "MODEL_LOCATION", ""), ".json") || lookup(consumer.environment, "RUN_ID", "") == ""])
    error_message = "consumers.environment.RUN_ID: allowed only if MODEL_LOCATION is no pointer (its name ends in .json): each model that a pointer names has a version of its own."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : consumer.memory_mb >= 128 && consumer.memory_mb <= 10240 && floor(consumer.memory_mb) == consumer.memory_mb])
    error_message = "consumers.memory_mb: allowed is a whole number from 128 to 10,240."
  }
  validation {
    # Publishing ends two call timeouts and a second before the function's timeout.
    condition     = alltrue([for consumer in var.consumers : consumer.timeout_seconds >= 30 && consumer.timeout_seconds <= 900 && floor(consumer.timeout_seconds) == consumer.timeout_seconds])
    error_message = "consumers.timeout_seconds: allowed is a whole number from 30 to 900."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : consumer.reserved_concurrency == null ? true : consumer.reserved_concurrency >= 1 && floor(consumer.reserved_concurrency) == consumer.reserved_concurrency])
    error_message = "consumers.reserved_concurrency: allowed is a whole number from 1, or null; 0 would stop the function."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : consumer.batch_size >= 1 && consumer.batch_size <= 10000 && floor(consumer.batch_size) == consumer.batch_size])
    error_message = "consumers.batch_size: allowed is a whole number from 1 to 10,000."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : consumer.batching_window_seconds >= 0 && consumer.batching_window_seconds <= 300 && floor(consumer.batching_window_seconds) == consumer.batching_window_seconds])
    error_message = "consumers.batching_window_seconds: allowed is a whole number from 0 to 300."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : consumer.parallelization_factor >= 1 && consumer.parallelization_factor <= 10 && floor(consumer.parallelization_factor) == consumer.parallelization_factor])
    error_message = "consumers.parallelization_factor: allowed is a whole number from 1 to 10."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : consumer.maximum_retry_attempts >= 0 && consumer.maximum_retry_attempts <= 10000 && floor(consumer.maximum_retry_attempts) == consumer.maximum_retry_attempts])
    error_message = "consumers.maximum_retry_attempts: allowed is a whole number from 0 to 10,000; without a bound, one bad batch would hold its shard."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : consumer.maximum_record_age_seconds >= 60 && consumer.maximum_record_age_seconds <= 604800 && floor(consumer.maximum_record_age_seconds) == consumer.maximum_record_age_seconds])
    error_message = "consumers.maximum_record_age_seconds: allowed is a whole number from 60 to 604,800 (a week)."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : contains(["TRIM_HORIZON", "LATEST"], consumer.starting_position)])
    error_message = "consumers.starting_position: allowed are TRIM_HORIZON and LATEST."
  }
  validation {
    condition     = alltrue([for consumer in var.consumers : length(consumer.filter_patterns) <= 5 && alltrue([for pattern in consumer.filter_patterns : can(keys(jsondecode(pattern)))])])
    error_message = "consumers.filter_patterns: allowed are at most 5 event patterns, each a JSON object, such as {\"data\": {\"event_type\": [\"ride_started\"]}}."
  }
}
