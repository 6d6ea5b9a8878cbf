variable "name" {
  description = "Prefix of names"
  type        = string
}

variable "place" {
  description = "Where: AWS partition, its DNS suffix, region and account"
  type        = object({ partition = string, dns_suffix = string, region = string, account_id = string })
}

variable "key_arn" {
  description = "KMS key of the topic"
  type        = string
}

variable "alarm_emails" {
  description = "Subscribers of the topic"
  type        = set(string)
}

variable "runbook" {
  description = "Where docs/operate.md can be read"
  type        = string
}

variable "monthly_budget_usd" {
  description = "US dollars a month, or null"
  type        = number
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the model's metrics"
  type        = string
}

variable "event_stream" {
  description = "The event stream's name"
  type        = string
}

variable "prediction_stream" {
  description = "The prediction stream's name"
  type        = string
}

variable "functions" {
  description = "Names of the functions"
  type        = list(string)
}
