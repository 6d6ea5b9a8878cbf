variable "name" {
  description = "Prefix of every resource's name"
  type        = string
  default     = "ride-predictions"

  validation {
    # A bucket's name has at most 63 characters, with the account and the region in it.
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "name: allowed are 2 to 20 lower-case letters, digits and hyphens, the first a letter, the last no hyphen."
  }
}

variable "region" {
  description = "AWS region"
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: allowed is a region's code, such as eu-central-1."
  }
}

variable "account_id" {
  description = "AWS account; credentials of any other are refused"
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: allowed are 12 digits."
  }
}

variable "image" {
  description = "Container image by digest; null only while nothing but the repository is applied"
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^[^@:\\s]+(:[0-9]+)?[^@:\\s]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image: allowed is REPOSITORY@sha256:DIGEST with 64 hexadecimal digits; a tag may be moved, a digest may not."
  }
}

variable "architecture" {
  description = "The image's architecture"
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: allowed are arm64 and x86_64."
  }
}

variable "event_stream" {
  description = "Stream of events"
  type = object({
    mode            = optional(string, "ON_DEMAND") # ON_DEMAND or PROVISIONED
    shards          = optional(number)              # 1 to 10,000; only if PROVISIONED
    retention_hours = optional(number, 24)          # 24 to 8,760
  })
  default = {}

  validation {
    condition     = contains(["ON_DEMAND", "PROVISIONED"], var.event_stream.mode)
    error_message = "event_stream.mode: allowed are ON_DEMAND and PROVISIONED."
  }
  validation {
    condition     = var.event_stream.mode != "PROVISIONED" || try(var.event_stream.shards >= 1 && var.event_stream.shards <= 10000 && floor(var.event_stream.shards) == var.event_stream.shards, false)
    error_message = "event_stream.shards: allowed is a whole number from 1 to 10,000 if mode is PROVISIONED."
  }
  validation {
    condition     = var.event_stream.mode == "PROVISIONED" || var.event_stream.shards == null
    error_message = "event_stream.shards: allowed only if mode is PROVISIONED; Kinesis chooses the shards of an ON_DEMAND stream."
  }
  validation {
    condition     = var.event_stream.retention_hours >= 24 && var.event_stream.retention_hours <= 8760 && floor(var.event_stream.retention_hours) == var.event_stream.retention_hours
    error_message = "event_stream.retention_hours: allowed is a whole number from 24 to 8,760 (a year)."
  }
}

variable "prediction_stream" {
  description = "Stream of predictions"
  type = object({
    mode            = optional(string, "ON_DEMAND") # ON_DEMAND or PROVISIONED
    shards          = optional(number)              # 1 to 10,000; only if PROVISIONED
    retention_hours = optional(number, 24)          # 24 to 8,760
  })
  default = {}

  validation {
    condition     = contains(["ON_DEMAND", "PROVISIONED"], var.prediction_stream.mode)
    error_message = "prediction_stream.mode: allowed are ON_DEMAND and PROVISIONED."
  }
  validation {
    condition     = var.prediction_stream.mode != "PROVISIONED" || try(var.prediction_stream.shards >= 1 && var.prediction_stream.shards <= 10000 && floor(var.prediction_stream.shards) == var.prediction_stream.shards, false)
    error_message = "prediction_stream.shards: allowed is a whole number from 1 to 10,000 if mode is PROVISIONED."
  }
  validation {
    condition     = var.prediction_stream.mode == "PROVISIONED" || var.prediction_stream.shards == null
    error_message = "prediction_stream.shards: allowed only if mode is PROVISIONED; Kinesis chooses the shards of an ON_DEMAND stream."
  }
  validation {
    condition     = var.prediction_stream.retention_hours >= 24 && var.prediction_stream.retention_hours <= 8760 && floor(var.prediction_stream.retention_hours) == var.prediction_stream.retention_hours
    error_message = "prediction_stream.retention_hours: allowed is a whole number from 24 to 8,760 (a year)."
  }
}

variable "log_retention_days" {
  description = "How long the functions' logs are kept"
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: allowed are 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 and 3653, the periods that CloudWatch Logs has."
  }
}

variable "dead_letter_retention_days" {
  description = "How long dead letters and discarded batches are kept"
  type        = number
  default     = 90

  validation {
    condition     = var.dead_letter_retention_days >= 1 && var.dead_letter_retention_days <= 3650 && floor(var.dead_letter_retention_days) == var.dead_letter_retention_days
    error_message = "dead_letter_retention_days: allowed is a whole number from 1 to 3,650."
  }
}

variable "archive" {
  description = "Where Firehose writes both streams as Parquet; null: nowhere"
  type = object({
    location       = string                # s3://bucket/prefix, a bucket of this account that exists
    buffer_seconds = optional(number, 300) # 60 to 900: how long rows wait to be written
  })
  default = null

  validation {
    condition     = var.archive == null ? true : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=-]+)*/?$", var.archive.location))
    error_message = "archive.location: allowed is s3://bucket/prefix, with a prefix of letters, digits and any of _.=-/."
  }
  validation {
    condition     = var.archive == null ? true : var.archive.buffer_seconds >= 60 && var.archive.buffer_seconds <= 900 && floor(var.archive.buffer_seconds) == var.archive.buffer_seconds
    error_message = "archive.buffer_seconds: allowed is a whole number from 60 to 900."
  }
}

variable "alarm_emails" {
  description = "Who gets an email at an alarm; each address has to confirm its subscription"
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails: allowed are email addresses, such as operations@example.com."
  }
}

variable "runbook" {
  description = "Where docs/operate.md can be read, such as a URL on your forge: each alarm's description links to its section"
  type        = string
  default     = "docs/operate.md"

  validation {
    condition     = can(regex("^[^\\s#]{1,400}$", var.runbook))
    error_message = "runbook: allowed is a path or URL of at most 400 characters, without spaces and without #."
  }
}

variable "monthly_budget_usd" {
  description = "US dollars a month of the whole account, above which the alarm topic is told; null: no budget"
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null ? true : var.monthly_budget_usd > 0
    error_message = "monthly_budget_usd: allowed is a number above 0, or null."
  }
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the model's metrics, for the dashboard: `metrics_namespace` in model.py"
  type        = string
  default     = "RidePredictions"

  validation {
    condition     = can(regex("^[A-Za-z0-9._/#-]{1,255}$", var.metrics_namespace)) && !startswith(var.metrics_namespace, "AWS/")
    error_message = "metrics_namespace: allowed are 1 to 255 letters, digits and any of ._/#-, not beginning with AWS/."
  }
}

variable "tracing" {
  description = "Whether the functions' invocations are traced by X-Ray"
  type        = bool
  default     = false
}

variable "vpc" {
  description = "The functions' subnets and security groups; null: no VPC"
  type = object({
    subnet_ids         = set(string) # private subnets, in two zones or more
    security_group_ids = set(string) # 1 to 5, with HTTPS to the endpoints allowed
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.subnet_ids) >= 1 && alltrue([for id in var.vpc.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "vpc.subnet_ids: allowed is one id or more, such as subnet-0123456789abcdef0."
  }
  validation {
    condition     = var.vpc == null ? true : length(var.vpc.security_group_ids) >= 1 && length(var.vpc.security_group_ids) <= 5 && alltrue([for id in var.vpc.security_group_ids : can(regex("^sg-[0-9a-f]+$", id))])
    error_message = "vpc.security_group_ids: allowed are 1 to 5 ids, such as sg-0123456789abcdef0."
  }
}

variable "path_style_s3" {
  description = "Buckets in the URL's path in place of its host: true for emulators"
  type        = bool
  default     = false
}
